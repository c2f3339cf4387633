import t from 'tap';
import { pageRoutes } from '../../../scripts/service/server/pages/pages.ts';
import { keptProfiles, treeOf } from '../../telemetry/stacks.ts';
import { alone, commitOf, compared, keep, openSite, served } from './site-store.ts';

const CANDIDATE = treeOf({ 'serve a.js:3;slow <b>.js:9': 300, 'serve a.js:3;fast a.js:7': 700 }, { idle: 50 });
const BASELINE = treeOf({ 'serve a.js:1;fast a.js:5': 900, 'serve a.js:1;gone a.js:8': 100 });

type Place = Parameters<typeof openSite>[0];
async function site(t: Place) {
  const { ctx, store } = openSite(t);
  const run = keep(store, compared(1, 0));
  const kept = keptProfiles('shop', { candidate: CANDIDATE, baseline: BASELINE });
  const side = { side: 'candidate', service: 'shop', instance: '9-0', kind: 'cpu' } as const;
  const broken = {
    ...side,
    samples: 0,
    seconds: 0,
    file: 'profile-candidate-shop-2.cpuprofile',
    fault: 'has no nodes',
  };
  store.saveProfiles(run.run_id, { ...kept, profiles: [...kept.profiles!, broken] });
  const http = await served(t, ctx, pageRoutes);
  const get = async (path: string) => {
    const { statusCode, body } = await http.inject(path);
    return { status: statusCode, body };
  };
  return { get, run, store };
}

t.test('the page of a run shows where the CPU time went, and how the sides differ', async (t) => {
  const { get, run } = await site(t);
  const { body } = await get(`/runs/${run.run_id}`);
  t.match(body, '<h2 id="flame-title">Where the CPU time went</h2>');
  t.match(body, '1,000 samples of the candidate, 1,000 samples of the baseline');
  t.match(body, /<th scope="row">slow &lt;b&gt;\.js:9<\/th><td class="num">0\.0 %<\/td><td class="num">30\.0 %<\/td>/);
  t.match(body, /class="delta worse">\+30\.0<\/span><\/td><td class="num">\+27\.1 to \+32\.8<\/td><td>yes<\/td>/);
  t.match(body, /<rect class="grew" fill-opacity="0\.45"/, 'what grew most has the strongest colour');
  t.match(body, /<rect class="shrank" fill-opacity="0\.\d+"/);
  t.match(body, '<title>slow &lt;b&gt;.js:9: 30.0 % of the CPU, 0.0 % before (+30.0 points)</title>');
  t.match(
    body,
    'A profile of the candidate is kept as it is and not shown: profile-candidate-shop-2.cpuprofile has no nodes',
  );
  t.notMatch(body, 'slow <b>');
  const [, svg] = /(<svg viewBox[^>]*aria-hidden="true">)/.exec(body)!;
  t.ok(svg);
});

t.test('so does the page that compares its sides', async (t) => {
  const { get, run } = await site(t);
  const { body } = await get(`/compare?a=${commitOf(0)}&b=${commitOf(1)}`);
  t.match(body, '<h2 id="flame-title">Where the CPU time went</h2>');
  t.match(body, `/runs/${run.run_id}/flame?service=shop&amp;side=difference`);
});

t.test('a page of its own: zoom, search, one side', async (t) => {
  const { get, run } = await site(t);
  const page = `/runs/${run.run_id}/flame`;
  const all = (await get(page)).body;
  const [, address] = /<a href="([^"]*node=\d+)" tabindex="-1"><rect class="same"/.exec(all)!;
  const serve = await get(address!.replaceAll('&amp;', '&'));
  t.equal(serve.status, 200);
  t.match(serve.body, '<span aria-current="true">serve a.js:3: 100.0 % of the CPU, 100.0 % before (0.0 points)</span>');
  t.match(serve.body, '<h2>What it calls</h2>');
  t.match(serve.body, />fast a\.js:7: 70\.0 % of the CPU, 90\.0 % before \(-20\.0 points\)<\/a>/);
  t.match(all, '<h2>What is outermost</h2>');

  const found = (await get(`${page}?find=FAST`)).body;
  t.match(found, 'What has “FAST” in its name or file, and all that it calls, is 80.0 % of the picture.');
  t.match(found, '<rect class="shrank found"');
  t.match(found, 'value="FAST"');
  t.match((await get(`${page}?find=nowhere`)).body, 'No function has “nowhere” in its name or file.');

  const own = (await get(`${page}?side=baseline`)).body;
  t.match(own, '<title>gone a.js:8: 10.0 % of the CPU, 100 samples</title>');
  t.match(own, '<rect class="own"');
  t.notMatch(own, 'slow');
  t.match(own, '<a href="/runs/');
});

t.test('what is not there is said', async (t) => {
  const { get, run, store } = await site(t);
  const page = `/runs/${run.run_id}/flame`;
  t.match(await get(`${page}?service=other`), {
    status: 404,
    body: /there is no profile of a service \\"other\\": shop/,
  });
  t.match(await get(`${page}?side=both`), {
    status: 404,
    body: /there is no profile of \\"both\\": difference, candidate, baseline/,
  });
  t.match(await get(`${page}?node=x`), { status: 400, body: /node must be a whole number/ });
  t.equal((await get(`${page}?node=999999`)).status, 200, 'a node that is not there: all of it');
  const other = keep(store, alone(2));
  t.match(await get(`/runs/${other.run_id}/flame`), { status: 404, body: /there is no profile of run/ });
  t.notMatch((await get(`/runs/${other.run_id}`)).body, 'Where the CPU time went');
  const idle = keep(store, alone(3));
  store.saveProfiles(idle.run_id, keptProfiles('shop', { candidate: treeOf({}, { idle: 9 }) }));
  t.match((await get(`/runs/${idle.run_id}/flame`)).body, 'There is nothing to draw: the CPU was never seen at work.');
});
