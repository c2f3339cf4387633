export function sideOf<Side extends string>(iteration: number, sides: readonly Side[], seed: number): Side;
export function pairOf(iteration: number, sideCount: number): number;
export function dueMs(iteration: number, rate: number): number;
export function wholeRate(rate: number): { rate: number; timeUnit: string };
export function generator(...seeds: number[]): () => number;
export function choose<T>(random: () => number, choices: readonly (readonly [number, T])[]): T;
export function hash(...parts: number[]): number;
export function textSeed(text: string): number;
