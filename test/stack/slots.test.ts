/** The slots of a balancer: what it is told, and what is read out of its answers. */
import t from 'tap';
import { controlSlots, readSlots, slotLine } from '../../scripts/stack/slots.ts';

const HEAD =
  '# pxname,svname,qcur,qmax,scur,smax,slim,stot,bin,bout,dreq,dresp,ereq,econ,eresp,wretr,wredis,status,weight,act,bck,chkfail,chkdown,lastchg,downtime,qlimit,pid,iid,sid,throttle,lbtot,tracked,type,rate,rate_lim,rate_max,check_status,check_code,check_duration,';
const line = (slot: string, status: string, check: string, current: number) =>
  `replicas,${slot},0,0,${current},2,,50,700,800,,0,,0,0,0,0,${status},1,1,0,0,0,5,0,,1,3,1,,50,,2,0,,30,${check},200,1,`;

t.test('what HAProxy shows of its servers', async (t) => {
  const slots = readSlots(
    `${HEAD}\n${line('r1', 'UP', 'L7OK', 3)}\n${line('r2', 'MAINT', '', 0)}\n${line('r3', 'UP', '* L7OK', 0)}\n\n`,
  );
  t.same(Object.fromEntries(slots), {
    r1: { status: 'UP', check: 'L7OK', current: 3 },
    r2: { status: 'MAINT', check: '', current: 0 },
    r3: { status: 'UP', check: 'L7OK', current: 0 },
  });
});

t.test('the line that is waited for', async (t) => {
  const idle = new RegExp(slotLine('r1', { 4: '0' }), 'm');
  t.match(line('r1', 'MAINT', '', 0), idle);
  t.notMatch(line('r1', 'MAINT', '', 10), idle);
  t.notMatch(line('r11', 'MAINT', '', 0), idle);
  const up = new RegExp(slotLine('r2', { 17: 'UP', 36: 'L7OK' }), 'm');
  t.match(`${line('r1', 'UP', 'L7OK', 0)}\n${line('r2', 'UP', 'L7OK', 9)}`, up);
  t.notMatch(line('r2', 'UP 1/2', 'L7TOUT', 9), up);
  t.notMatch(line('r2', 'DOWN', 'L7OK', 9), up);
});

/** A control whose balancer gives these answers, one after the other. */
function aControl(
  answers: { exitCode: number; said?: string; shown?: string; stderr?: string }[],
  names = ['r1', 'r2', 'r3', 'r4'],
) {
  const asked: string[][] = [];
  const exec = async (_id: string, command: string[]) => {
    asked.push(command.slice(3));
    const { exitCode, said = '', shown = '', stderr = '' } = answers.shift()!;
    return { exitCode, stdout: `${said}\n\x01\n${HEAD}\n${shown}`, stderr };
  };
  let now = 1000;
  const slots = controlSlots(
    { container: 'haproxy', names, first: ['one', 'two'], port: 8080 },
    { engine: { exec }, signal: new AbortController().signal, now: () => now++ },
  );
  return { slots, asked };
}

t.test("a new replica gets a slot that was nobody's, and an old slot only when there is no other", async (t) => {
  const ok = {
    exitCode: 0,
    said: "IP changed from '127.0.0.1' to '10.0.0.5', port changed from '1' to '8080' by 'stats socket command'\n\n",
  };
  const { slots, asked } = aControl([ok, ok, ok]);
  t.equal(slots.slotOf('one'), 'r1');
  t.equal(await slots.put('three', '10.0.0.5', 15), true);
  t.match(asked[0], [
    'set server replicas/r3 addr 10.0.0.5 port 8080;set server replicas/r3 state ready',
    'show stat replicas 4 -1',
    /^\^replicas,r3,/,
    '15',
  ]);
  slots.leave('one');
  await slots.put('four', '10.0.0.6', 15);
  t.equal(slots.slotOf('four'), 'r4');
  await slots.put('five', '10.0.0.7', 15);
  t.equal(slots.slotOf('five'), 'r1', 'that of one who is gone');
  t.same(
    slots.tenants.map(({ slot, id }) => `${slot} ${id}`),
    ['r1 one', 'r2 two', 'r3 three', 'r4 four', 'r1 five'],
  );
  t.ok(slots.tenants.slice(2).every(({ fromMs }) => fromMs >= 1000));
  await t.rejects(slots.put('six', '10.0.0.8', 15), {
    message: 'the balancer has no slot for one more replica: all 4 are in use',
  });
});

t.test('a slot of a dead replica is closed before somebody may get its address; others are left alone', async (t) => {
  const ok = { exitCode: 0 };
  const { slots, asked } = aControl([ok, ok, ok]);
  await slots.bury();
  t.same(asked, [], 'nobody is dead');
  slots.leave('one');
  await slots.bury();
  await slots.bury();
  t.same(
    asked.map(([tell]) => tell),
    ['set server replicas/r1 state maint'],
    'once',
  );
  await slots.maintain('two', 0);
  slots.leave('two');
  await slots.bury();
  t.equal(asked.length, 2, 'one that was drained is closed already');
});

t.test('a replica that takes no more requests: what is left is told', async (t) => {
  const { slots, asked } = aControl([
    { exitCode: 3, shown: line('r2', 'MAINT', '', 2) },
    { exitCode: 0, shown: line('r2', 'MAINT', '', 0) },
  ]);
  t.equal(await slots.maintain('two', 0.5), 2, 'the time is over');
  t.match(asked[0], [
    'set server replicas/r2 state maint',
    'show stat replicas 4 -1',
    '^replicas,r2,[^,]*,[^,]*,0,',
    '0.5',
  ]);
  t.equal(await slots.maintain('two', 5), 0);
});

t.test('a replica that the balancer does not find well in time', async (t) => {
  const { slots } = aControl([{ exitCode: 3, shown: line('r1', 'DOWN', 'L4CON', 0) }]);
  t.equal(await slots.ready('one', '10.0.0.9', 1), false);
});

t.test('all replicas at the start: what each of them is found to be', async (t) => {
  const { slots, asked } = aControl([
    { exitCode: 3, shown: `${line('r1', 'UP', 'L7OK', 0)}\n${line('r2', 'DOWN', 'L7STS', 0)}` },
  ]);
  const states = await slots.settled(15);
  t.match(states.get('r2'), { status: 'DOWN', check: 'L7STS' });
  t.match([line('r1', 'UP', 'L7OK', 0), line('r2', 'UP', 'L7OK', 0)].join('\n'), new RegExp(asked[0]![2]!, 'm'));
  t.notMatch([line('r1', 'UP', 'L7OK', 0), line('r2', 'DOWN', 'L7STS', 0)].join('\n'), new RegExp(asked[0]![2]!, 'm'));
});

t.test('a balancer that refuses, or does not answer, is told of', async (t) => {
  const refuses = aControl([{ exitCode: 0, said: 'No such server.\n' }]);
  await t.rejects(refuses.slots.maintain('one', 1), {
    message: 'the balancer does not do as it is told: No such server.',
    hint: 'Run the benchmark again; npm run logs has what the balancer has said.',
  });
  const gone = aControl([{ exitCode: 2, stderr: 'its socket: No such file or directory\n' }]);
  await t.rejects(gone.slots.maintain('one', 1), {
    message: 'the balancer does not do as it is told: its socket: No such file or directory',
  });
});
