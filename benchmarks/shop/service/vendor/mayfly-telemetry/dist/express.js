import { timeRequest } from "./requests.js";
/** The path of a router that cannot be known. */
const UNKNOWN_MOUNT = '(mount)';
/** Routers within routers. */
const MAX_DEPTH = 20;
/** Texts of one layer that were made of what clients have sent. */
const MAX_TEXTS = 20;
/** For each route of an application the layers of routers that lead to it, in every way that there is. */
const ways = new WeakMap();
const textsOf = new WeakMap();
/**
 * Middleware for Express 4 and 5: times every request under the pattern of its route, with the patterns of the routers
 * that it lies in. It is the first thing that an application uses.
 */
export function expressTelemetry() {
    return (request, response, next) => {
        const root = request.app;
        timeRequest(request, response, () => routeOf(request, root));
        next();
    };
}
function routeOf(request, root) {
    const { route } = request;
    if (!route || !root)
        return undefined;
    return join(prefixOf(request, route, root), textOf(route.path));
}
function prefixOf({ originalUrl, app }, route, root) {
    const path = pathOf(originalUrl ?? '/');
    const found = waysTo(route, root);
    if (found.length > 0)
        return prefixOfWays(found, path);
    // An application within an application is behind a function, but knows where it is.
    let within = app;
    let mount = '';
    while (within && within !== root) {
        mount = join(within.parent ? textOf(within.mountpath) : UNKNOWN_MOUNT, mount);
        within = within.parent;
    }
    const inner = app && app !== root ? waysTo(route, app) : [];
    if (!within || inner.length === 0)
        return UNKNOWN_MOUNT;
    // What its routers have to match begins where the application ends, which is not known: most are in one place only.
    return join(mount, inner.length === 1 ? (prefixOfWay(inner[0]) ?? UNKNOWN_MOUNT) : UNKNOWN_MOUNT);
}
function prefixOfWays(found, path) {
    if (found.length === 1) {
        const text = prefixOfWay(found[0]);
        if (text !== undefined)
            return text;
    }
    for (const way of found) {
        const text = prefixOfPath(way, path);
        if (text !== undefined)
            return text;
    }
    return UNKNOWN_MOUNT;
}
/** Undefined where a layer does not say how it was put in. */
function prefixOfWay(way) {
    let prefix = '';
    for (const layer of way) {
        const text = patternOf(layer);
        if (text === undefined)
            return undefined;
        prefix = join(prefix, text);
    }
    return prefix;
}
/** Undefined where the path does not go this way. */
function prefixOfPath(way, path) {
    let prefix = '';
    let rest = path;
    for (const layer of way) {
        const match = matchOf(layer, rest);
        if (!match)
            return undefined;
        prefix = join(prefix, patternOf(layer) ?? guess(layer, match));
        rest = rest.slice(match.path.length);
        if (!rest.startsWith('/'))
            rest = `/${rest}`;
    }
    return prefix;
}
function waysTo(route, root) {
    let known = ways.get(root);
    if (!known)
        ways.set(root, (known = new WeakMap()));
    let found = known.get(route);
    if (found)
        return found;
    found = [];
    collect(route, root, [], found);
    known.set(route, found);
    return found;
}
function collect(route, within, way, found) {
    if (way.length > MAX_DEPTH)
        return;
    for (const layer of stackOf(within)) {
        if (layer.route === route)
            found.push(way);
        else if (!layer.route)
            collect(route, layer.handle, [...way, layer], found);
    }
}
/** The layers of a router or of an application. The property `router` of an application of Express 4 throws. */
function stackOf(of) {
    if (typeof of !== 'function')
        return [];
    const { stack, _router } = of;
    if (Array.isArray(stack))
        return stack;
    if (_router)
        return stackOf(_router);
    if (typeof of.handle !== 'function')
        return [];
    try {
        return stackOf(of.router);
    }
    catch {
        return [];
    }
}
function patternOf({ rawPath, regexp, keys = [] }) {
    if (rawPath !== undefined)
        return textOf(rawPath);
    if (!regexp)
        return undefined;
    if (regexp.fast_slash)
        return '';
    let key = 0;
    const text = regexp.source
        .replace(/^\^/, '')
        .replace(/\\\/\?\(\?=\\\/\|\$\)$/, '')
        .replace(/\(\?:\\\/\(\[\^\\?\/\]\+\?\)\)/g, () => `/:${keys[key++]?.name}`)
        .replace(/\\([/.])/g, '$1');
    // What is more than names and text is shown as the expression.
    return /[()[\]{}|\\^$*+]/.test(text) ? textOf(regexp) : text;
}
function matchOf(layer, path) {
    if (layer.regexp) {
        const found = layer.regexp.fast_slash ? '' : layer.regexp.exec(path)?.[0];
        return found === undefined ? undefined : { path: found, params: {} };
    }
    const found = layer.match?.(path);
    if (!found)
        return undefined;
    if (found === true)
        return { path: layer.path ?? '', params: layer.params ?? {} };
    return { path: found.path, params: {} };
}
/** The pattern of a layer that does not tell it: what was matched, with names in place of values. */
function guess(layer, { path, params }) {
    let text = path;
    for (const [name, value] of Object.entries(params)) {
        const splat = Array.isArray(value);
        const raw = splat ? value.map(String).join('/') : String(value);
        for (const written of [encodeURIComponent(raw), encodeURI(raw), raw]) {
            const at = text.indexOf(written);
            if (at < 0 || written === '')
                continue;
            text = `${text.slice(0, at)}${splat ? '*' : ':'}${name}${text.slice(at + written.length)}`;
            break;
        }
    }
    // An expression without names, or a client that writes in ways of its own: there is no end of texts.
    let texts = textsOf.get(layer);
    if (!texts)
        textsOf.set(layer, (texts = new Set()));
    if (!texts.has(text) && texts.size >= MAX_TEXTS)
        return `/${UNKNOWN_MOUNT}`;
    texts.add(text);
    return text;
}
function textOf(pattern) {
    if (pattern === undefined)
        return '';
    if (pattern instanceof RegExp)
        return `(${pattern.source})`;
    if (!Array.isArray(pattern))
        return String(pattern);
    return pattern.length === 1 ? textOf(pattern[0]) : `(${pattern.map(textOf).join('|')})`;
}
/** No slash at the end of a router's path, and none alone within one. */
function join(prefix, path) {
    const before = prefix.replace(/\/+$/, '');
    if (path === '/')
        return before || '/';
    return before + path;
}
function pathOf(url) {
    const end = url.search(/[?#]/);
    return end < 0 ? url : url.slice(0, end);
}
