/** Nine digits at `at`; `number` is whole and below 1e9. */
export declare function put9(to: Uint8Array, at: number, number: number): void;
/** A whole number from 0 to 2^53, without leading zeros. Returns where it ends. */
export declare function putWhole(to: Uint8Array, at: number, number: number): number;
/** Seconds given in whole nanoseconds, 0 to 2^53, with all nine decimals. Returns where they end. */
export declare function putSeconds(to: Uint8Array, at: number, nanoseconds: number): number;
/** Any finite number, as JavaScript writes it where it is not a whole one. Returns where it ends. */
export declare function putNumber(to: Uint8Array, at: number, number: number): number;
/** The end of a row with this label: comma, quoted label, comma, PID, newline. */
export declare function endOfRow(label: string, pid: number): Uint8Array;
/** Of the longest row: time, number, 200 characters of four bytes, PID, commas and quotes; rounded up. */
export declare const MAX_ROW = 1024;
