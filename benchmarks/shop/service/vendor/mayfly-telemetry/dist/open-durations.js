/**
 * The durations that are open: when each one began, under a number. A number says its slot and how often the slot was
 * taken, so one that is stale or was never given is recognised. All memory is taken once.
 */
/** As many may be open at once. One more takes the place of the one that is open longest. */
export const MAX_OPEN = 16_384;
/** Keeps the numbers within 31 bits: those are no objects for V8. Then a slot begins again with 1. */
const MAX_TURNS = 131_071;
/** Where a start would be: it has ended; recording was switched off meanwhile. */
const ENDED = -1;
const GIVEN_UP = -2;
/** The end of both lists. */
const END = MAX_OPEN;
const starts = new Float64Array(MAX_OPEN).fill(ENDED);
const turns = new Uint32Array(MAX_OPEN);
/** The open ones as a ring from the oldest to the newest, through END. */
const older = new Uint16Array(MAX_OPEN + 1);
/** The same the other way; of the free slots: the next free one. A slot is taken again as late as can be. */
const newer = new Uint16Array(MAX_OPEN + 1);
let firstFree = 0;
let lastFree = 0;
freeAll();
/** Opens a duration that began at `nowMs` and returns its number, which is never 0. `onFull`: the oldest one was given up. */
export function openDuration(nowMs, onFull) {
    if (firstFree === END) {
        const oldest = newer[END];
        starts[oldest] = ENDED;
        unlink(oldest);
        free(oldest);
        onFull();
    }
    const slot = firstFree;
    firstFree = newer[slot];
    if (firstFree === END)
        lastFree = END;
    const newest = older[END];
    older[slot] = newest;
    newer[slot] = END;
    newer[newest] = slot;
    older[END] = slot;
    const turn = turns[slot] < MAX_TURNS ? turns[slot] + 1 : 1;
    turns[slot] = turn;
    starts[slot] = nowMs;
    return turn * MAX_OPEN + slot;
}
/**
 * Ends a duration. Returns when it began; -1 for a number that is of no open duration; -2 for one that was open when
 * recording was switched off.
 */
export function endDuration(id) {
    // A number with a fraction has a slot, too.
    if (!Number.isInteger(id) || id < MAX_OPEN)
        return ENDED;
    const slot = id % MAX_OPEN;
    if (turns[slot] !== (id - slot) / MAX_OPEN)
        return ENDED;
    const start = starts[slot];
    starts[slot] = ENDED;
    if (start < 0)
        return start;
    unlink(slot);
    free(slot);
    return start;
}
/** Gives up all that are open. */
export function giveUpAll() {
    for (let slot = 0; slot < MAX_OPEN; slot++)
        if (starts[slot] >= 0)
            starts[slot] = GIVEN_UP;
    freeAll();
}
function unlink(slot) {
    const before = older[slot];
    const after = newer[slot];
    newer[before] = after;
    older[after] = before;
}
function free(slot) {
    newer[slot] = END;
    if (firstFree === END)
        firstFree = slot;
    else
        newer[lastFree] = slot;
    lastFree = slot;
}
function freeAll() {
    for (let slot = 0; slot < MAX_OPEN; slot++)
        newer[slot] = slot + 1;
    firstFree = 0;
    lastFree = MAX_OPEN - 1;
    newer[END] = END;
    older[END] = END;
}
