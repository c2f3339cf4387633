/**
 * Files that browsers fetch as they are: the site's own, and uPlot. Their path changes with their content, so a browser
 * may keep them.
 */
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const OWN = join(import.meta.dirname, '../assets');
const UPLOT = join(import.meta.dirname, '../../../../node_modules/uplot/dist');
const OWN_FILES = readdirSync(OWN).sort();
const UPLOT_FILES = ['uPlot.iife.min.js', 'uPlot.min.css'];

const hash = createHash('sha256');
for (const file of [...OWN_FILES.map((name) => join(OWN, name)), ...UPLOT_FILES.map((name) => join(UPLOT, name))])
  hash.update(readFileSync(file));
const PREFIX = `/assets/${hash.digest('hex').slice(0, 12)}`;

/** Folders for createHttp. */
export const ASSETS = [
  { root: OWN, prefix: `${PREFIX}/`, files: OWN_FILES },
  { root: UPLOT, prefix: `${PREFIX}/uplot/`, files: UPLOT_FILES },
];

/** Address of one of the files: `site.css`, `uplot/uPlot.min.css`. */
export const assetUrl = (file: string): string => `${PREFIX}/${file}`;
