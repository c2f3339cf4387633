/** What a file of requests may be at most, and what is thrown where it is not what it should be. */

/** A larger file is not looked into, nor worth copying: 30 million requests would be in it. */
export const MOST_BYTES = 256 * 1024 * 1024;
/** Of one file. */
export const MOST_ROWS = 10_000_000;

/** What is wrong with the file, as the rest of a sentence that begins with its name. */
export class RequestsFault extends Error {}
