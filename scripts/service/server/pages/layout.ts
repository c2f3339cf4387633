/** What every page has around it. */
import { type Html, html, type Value } from '../html.ts';
import { assetUrl } from './assets.ts';

/** A part of the site, as the navigation names it. */
export type Place = 'overview' | 'runs' | 'compare' | 'jobs' | 'sign-in';

export interface PageOptions {
  title: string;
  /** Where in the navigation the page is. */
  place?: Place;
  /** Absent: nobody can sign in. */
  signedIn?: boolean | undefined;
  /** Seconds after which something of the page may have changed; absent: it stays as it is. */
  live?: number | undefined;
  /** The page draws with uPlot. */
  charts?: boolean;
  body: Value;
}

const PLACES: [Place, string, string][] = [
  ['overview', '/', 'Overview'],
  ['runs', '/runs', 'Runs'],
  ['compare', '/compare', 'Compare'],
  ['jobs', '/jobs', 'Jobs'],
];

/**
 * A whole page. Without JavaScript a live one loads itself again; with it, live.js fetches it and changes only what is
 * new.
 */
export function page({ title, place, signedIn, live, charts = false, body }: PageOptions): string {
  return html`<!doctype html>
<html lang="en"${live !== undefined && html` data-live="${live}"`}>
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${title} · Mayfly</title>
<link rel="icon" href="${assetUrl('icon.svg')}" type="image/svg+xml">
${charts && html`<link rel="stylesheet" href="${assetUrl('uplot/uPlot.min.css')}">`}
<link rel="stylesheet" href="${assetUrl('site.css')}">
${live !== undefined && html`<noscript><meta http-equiv="refresh" content="${live}"></noscript>`}
${charts && html`<script src="${assetUrl('uplot/uPlot.iife.min.js')}" defer></script>`}
<script src="${assetUrl('site.js')}" type="module"></script>
</head>
<body>
<a class="skip" href="#main">Skip to the content</a>
<header class="top">
<a class="brand" href="/"><img src="${assetUrl('icon.svg')}" alt="" width="22" height="22"> Mayfly</a>
<nav aria-label="Site"><ul>${PLACES.map(([key, url, text]) => html`<li><a href="${url}"${key === place && html` aria-current="page"`}>${text}</a></li>`)}</ul></nav>
<div class="account">${account(place, signedIn)}</div>
</header>
<main id="main" tabindex="-1">
${body}
</main>
<footer>Times are UTC. <a href="/openapi.json">The same as JSON</a>.</footer>
</body>
</html>
`.text;
}

function account(place: Place | undefined, signedIn: boolean | undefined): Html | undefined {
  if (signedIn === undefined) return undefined;
  if (signedIn) return html`<form method="post" action="/sign-out"><button class="plain">Sign out</button></form>`;
  return html`<a href="/sign-in"${place === 'sign-in' && html` aria-current="page"`}>Sign in</a>`;
}

/** What an error says, as a sentence of its own. */
export const sentence = (message: string): string => `${message.charAt(0).toUpperCase()}${message.slice(1)}.`;

const NAMES: Record<number, string> = {
  400: 'This cannot be shown',
  401: 'Sign in first',
  403: 'Not allowed',
  404: 'Not found',
  409: 'Not possible any more',
  413: 'Too large',
  429: 'Too many requests',
  500: 'A fault',
  503: 'Not available',
};

/** A page that says what went wrong. */
export function errorPage(status: number, message: string): string {
  const title = NAMES[status] ?? (status < 500 ? NAMES[400]! : NAMES[500]!);
  const further =
    status === 401 || status === 403
      ? html`<a href="/sign-in">Sign in</a> or go to the <a href="/">overview</a>.`
      : html`Go to the <a href="/">overview</a>, the <a href="/runs">runs</a> or the <a href="/jobs">jobs</a>.`;
  return page({
    title,
    body: html`<h1>${title}</h1>
<p class="lead">${sentence(message)}</p>
<p>${further} <span class="muted">(HTTP ${status})</span></p>`,
  });
}
