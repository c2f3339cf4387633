/** A file of requests: its length, and what is wrong with it. */
import t from 'tap';
import { measureSchedule } from '../../scripts/config/schedule-file.ts';
import { faultLine } from '../../scripts/config/yaml-file.ts';
import { BENCHMARK, COMPOSE, faults, swap } from './fixture.ts';

const measure = (name: string, text: string, cutS?: number) => measureSchedule(Buffer.from(text), name, { cutS });
const faultsOf = (name: string, text: string, cutS?: number) => {
  const length = measure(name, text, cutS);
  return 'faults' in length ? length.faults.map(faultLine) : [];
};
const csv = (...rows: string[]) => ['at,method,path', ...rows, ''].join('\n');
const lines = (...rows: object[]) => rows.map((row) => JSON.stringify(row)).join('\n');

t.test('requests, seconds and the busiest second', async (t) => {
  t.same(measure('a.csv', csv('0,GET,/', '0,HEAD,/', '1.9,DELETE,/a?b=c', '2,GET,/')), {
    rows: 4,
    durationS: 2.001,
    busiest: 2,
  });
  t.same(
    measure('a.csv', '\ufeffbody,path,at,method\r\n\r\n"a\nb",/,1.1,PUT\r\n'),
    { rows: 1, durationS: 1.101, busiest: 1 },
    'columns in any order, empty lines, Windows',
  );
  t.same(
    measure(
      'a.jsonl',
      `\ufeff${lines({ at: 0, method: 'GET', path: '/' }, { at: 1.0001, method: 'POST', path: '/', name: 'order', body: '{}' })}\n\n`,
    ),
    { rows: 2, durationS: 1.002, busiest: 1 },
  );
});

t.test('the window ends a whole number of milliseconds, at least one, after the last request', async (t) => {
  for (const [at, durationS] of [
    [1, 1.001],
    [1.0005, 1.002],
    [8.2, 8.201],
    [1.005, 1.006],
    [2.675, 2.676],
    [64.1, 64.101],
  ]) {
    t.match(measure('a.csv', csv(`${at},GET,/`)), { durationS });
  }
});

t.test('a script may read further fields', async (t) => {
  t.match(measureSchedule(Buffer.from('at,method,path,user\n1,GET,/,7\n'), 'a.csv', { hasScript: true }), { rows: 1 });
  t.match(
    measureSchedule(Buffer.from(lines({ at: 1, method: 'GET', path: '/', user: 7 })), 'a.jsonl', { hasScript: true }),
    { rows: 1 },
  );
});

t.test('a cut', async (t) => {
  const text = csv('0,GET,/', '1,GET,/', '2,GET,/', '2,GET,/');
  t.same(measure('a.csv', text, 2), { rows: 2, durationS: 2, busiest: 1 });
  t.same(measure('a.csv', text, 9), { rows: 4, durationS: 2.001, busiest: 2 });
});

const COLUMNS =
  'the first line names the columns: at, method, path, name, body, of which name and body may be left out';
const wrong: [text: string, sentence: string][] = [
  ['', 'a.csv:1 has no request'],
  [csv(), 'a.csv:1 has no request'],
  ['method,path\nGET,/\n', `a.csv:1 has no column at; ${COLUMNS}`],
  ['0,GET,/\n', `a.csv:1 has no column at, method, path; ${COLUMNS}`],
  [
    'at,method,path,boddy\n1,GET,/,\n',
    'a.csv:1 has a column "boddy", which is not known (did you mean body?); without a script allowed are at, method, path, name, body',
  ],
  ['at, method,path\n1,GET,/\n', `a.csv:1 has no column method; ${COLUMNS}`],
  ['at,method,path,at\n1,GET,/,1\n', 'a.csv:1 has the column at twice'],
  [csv('0,GET,/', 'soon,GET,/'), 'a.csv:3 at must be a number of seconds from the start of the window, got "soon"'],
  [csv('-1,GET,/'), 'a.csv:2 at must be a number of seconds from the start of the window, got "-1"'],
  [
    csv('1719830000,GET,/'),
    'a.csv:2 at must be counted in seconds from the start of the window and be <= 604800, got 1719830000',
  ],
  [csv('0,GET,/', '', '2,GET,/', '1.5,GET,/'), 'a.csv:5 at must not go backwards: 1.5 comes after 2'],
  [csv('0,FETCH,/'), 'a.csv:2 method must be one of GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS, got "FETCH"'],
  [csv('0,GET,index.html'), 'a.csv:2 path must be a path that starts with /, got "index.html"'],
  [csv('0,GET'), 'a.csv:2 must have 3 fields as the first line has, got 2'],
  ['at,method,path,body\n0,PUT,/,"a\nb"\n1,PUT,x,"a\nb"\n', 'a.csv:4 path must be a path that starts with /, got "x"'],
  [csv('0,GET,"/'), 'a.csv:2 is not valid CSV: quote not closed'],
  [csv('0.25,GET,/'), 'a.csv:2 ends the window after 0.251 s; it must last 1 s or longer'],
];
for (const [text, sentence] of wrong) {
  t.test(sentence, async (t) => t.strictSame(faultsOf('a.csv', text)[0], sentence));
}

t.test('a cut before the first request', async (t) => {
  t.strictSame(faultsOf('a.csv', csv('5,GET,/'), 5), [
    'a.csv:1 has no request before the end of the window, which lasts 5 s',
  ]);
});

const GOOD = { at: 1, method: 'GET', path: '/' };
const wrongLines: [text: string, sentence: string][] = [
  [`${lines(GOOD)}\n{at: 1}`, "a.jsonl:2 is not valid JSON: Expected property name or '}' in JSON at position 1"],
  ['[1]', 'a.jsonl:1 must be an object with at, method, path, name, body, got a list of 1'],
  [
    lines({ ...GOOD, url: '/' }),
    'a.jsonl:1 has a field "url", which is not known; without a script allowed are at, method, path, name, body',
  ],
  [lines({ ...GOOD, at: '1' }), 'a.jsonl:1 at must be a number of seconds from the start of the window, got "1"'],
  [
    lines({ method: 'GET', path: '/' }),
    'a.jsonl:1 at must be a number of seconds from the start of the window, got nothing',
  ],
  [
    lines({ ...GOOD, method: undefined }),
    'a.jsonl:1 method must be one of GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS, got nothing',
  ],
  [lines({ ...GOOD, name: 7 }), 'a.jsonl:1 name must be a text, got 7'],
  [lines({ ...GOOD, body: { a: 1 } }), 'a.jsonl:1 body must be a text, got a map of a'],
];
for (const [text, sentence] of wrongLines) {
  t.test(sentence, async (t) => {
    const [first] = faultsOf('a.jsonl', text);
    t.ok(first?.startsWith(sentence), String(first));
  });
}

t.test('a file of nothing but faults says ten', async (t) => {
  t.equal(faultsOf('a.csv', csv(...Array(50).fill('x,GET,/'))).length, 10);
});

t.test('the command names file and line', async (t) => {
  const file = swap(BENCHMARK, '  rate: 200\n  duration: 20s\n', '  schedule: log.csv\n');
  t.match(await faults(t, file, COMPOSE, [], { 'log.csv': csv('1,GET,/', '0,GET,/', '0,get,/') }), [
    'benchmarks/shop/log.csv:3 at must not go backwards: 0 comes after 1',
    /^benchmarks\/shop\/log\.csv:4 at must not go backwards/,
  ]);
});
