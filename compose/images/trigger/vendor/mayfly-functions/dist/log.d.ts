/** Name -> value. An error has its stack in a field of its own; undefined is left out. */
export type Fields = Record<string, unknown>;
/** `log.info('order placed', { order: 7 })` writes one line. */
export declare const log: {
    debug: (message: string, fields?: Fields) => void;
    info: (message: string, fields?: Fields) => void;
    warn: (message: string, fields?: Fields) => void;
    error: (message: string, fields?: Fields) => void;
};
