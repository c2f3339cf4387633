/** Calls all of them; one that throws is told, and the others are called. */
export declare function callAll<Args extends unknown[]>(listeners: readonly ((...args: Args) => void)[], ...args: Args): void;
