/** Version of the generator: part of every result. A change that could change a measurement gets a new one. */
export const VERSION = '1.0.0';
