/** Calls `listener` with the words of the control file, at start() and whenever they change; none without a file. */
export declare function onControl(listener: (words: ReadonlySet<string>) => void): void;
export interface ControlOptions {
    dir: string;
    /** Whether it records while there is no control file, or one without `on` and `off`. */
    on: boolean;
    signal: NodeJS.Signals | null;
}
/** Looks at the control file from now on, and listens to the signal. */
export declare function watchControl(options: ControlOptions): void;
/** The opposite. */
export declare function unwatchControl(): void;
