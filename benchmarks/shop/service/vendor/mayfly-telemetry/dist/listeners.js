import { messageOf, tell } from "./tell.js";
/** Calls all of them; one that throws is told, and the others are called. */
export function callAll(listeners, ...args) {
    for (const listener of listeners) {
        try {
            listener(...args);
        }
        catch (error) {
            tell(`a part of telemetry failed: ${messageOf(error)}. The service goes on`);
        }
    }
}
