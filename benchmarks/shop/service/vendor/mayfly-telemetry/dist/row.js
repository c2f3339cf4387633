/** Digits by hand: three at a time out of a table, so that a row costs no allocation. */
const DIGITS = new Uint8Array(3000);
for (let number = 0; number < 1000; number++) {
    DIGITS[number * 3] = 48 + Math.floor(number / 100);
    DIGITS[number * 3 + 1] = 48 + (Math.floor(number / 10) % 10);
    DIGITS[number * 3 + 2] = 48 + (number % 10);
}
/** Three digits at `at`; `number` is whole and below 1000. */
function put3(to, at, number) {
    const digit = number * 3;
    to[at] = DIGITS[digit];
    to[at + 1] = DIGITS[digit + 1];
    to[at + 2] = DIGITS[digit + 2];
}
/** Nine digits at `at`; `number` is whole and below 1e9. */
export function put9(to, at, number) {
    const high = (number / 1e6) | 0;
    const low = number - high * 1e6;
    const middle = (low / 1000) | 0;
    put3(to, at, high);
    put3(to, at + 3, middle);
    put3(to, at + 6, low - middle * 1000);
}
/** A whole number from 0 to 2^53, without leading zeros. Returns where it ends. */
export function putWhole(to, at, number) {
    let digits = 1;
    for (let limit = 10; digits < 16 && number >= limit; limit *= 10)
        digits++;
    let rest = number;
    for (let place = at + digits - 1; place >= at; place--) {
        const tenth = Math.floor(rest / 10);
        to[place] = 48 + (rest - tenth * 10);
        rest = tenth;
    }
    return at + digits;
}
/** Seconds given in whole nanoseconds, 0 to 2^53, with all nine decimals. Returns where they end. */
export function putSeconds(to, at, nanoseconds) {
    if (nanoseconds < 1e9) {
        to[at] = 48;
        to[at + 1] = 46;
        put9(to, at + 2, nanoseconds);
        return at + 11;
    }
    const whole = Math.floor(nanoseconds / 1e9);
    const point = putWhole(to, at, whole);
    to[point] = 46;
    put9(to, point + 1, nanoseconds - whole * 1e9);
    return point + 10;
}
/** Any finite number, as JavaScript writes it where it is not a whole one. Returns where it ends. */
export function putNumber(to, at, number) {
    if (number >= 0 && number <= Number.MAX_SAFE_INTEGER && Math.floor(number) === number) {
        return putWhole(to, at, number);
    }
    const text = String(number);
    for (let index = 0; index < text.length; index++)
        to[at + index] = text.charCodeAt(index);
    return at + text.length;
}
const MAX_LABEL = 200;
const encoder = new TextEncoder();
/** The end of a row with this label: comma, quoted label, comma, PID, newline. */
export function endOfRow(label, pid) {
    // 400 UTF-16 units hold 200 characters at least.
    const characters = [...label.slice(0, 2 * MAX_LABEL)].slice(0, MAX_LABEL).join('');
    const clean = characters.replace(/[\u0000-\u001f\u007f-\u009f\u2028\u2029]/g, ' ').replaceAll('"', '""');
    return encoder.encode(`,"${clean}",${pid}\n`);
}
/** Of the longest row: time, number, 200 characters of four bytes, PID, commas and quotes; rounded up. */
export const MAX_ROW = 1024;
