/** The slots of a balancer, by its own socket in its container: who is in them, and whether they get requests. */
import { InfrastructureError } from '../core/errors.ts';
import type { Engine } from '../engine/engine.ts';
import { BACKEND, BALANCER_SOCKET } from './balancer.ts';

/** What is in a slot, from when on; the same slot may have others later. */
export interface Tenant {
  slot: string;
  /** Of the container. */
  id: string;
  /** Milliseconds since the epoch; 0: from its start. */
  fromMs: number;
}

/** What the balancer says of a slot. */
export interface SlotState {
  /** UP, DOWN, MAINT, ... */
  status: string;
  /** What its last check found: L7OK, L7STS, L4CON, ... */
  check: string;
  /** Requests that are under way. */
  current: number;
}

/** Looks come from within the container: one exec for all of them, since each costs the engine tens of milliseconds. */
const LOOK_S = 0.05;
const SHOW = `show stat ${BACKEND} 4 -1`;
/**
 * Tells the balancer something, then asks it until its answer has the line that is wanted, or the time is over. HAProxy
 * ends the connection after its answer.
 */
const PROGRAM = `use strict; use IO::Socket::UNIX;
my ($tell, $ask, $wanted, $seconds) = @ARGV;
sub answer {
  my $socket = IO::Socket::UNIX->new(Peer => '${BALANCER_SOCKET}') or die "its socket: $!\\n";
  print $socket "$_[0]\\n"; $socket->flush; local $/; return scalar(<$socket>) // '';
}
sub uptime { open(my $file, '<', '/proc/uptime') or die "/proc/uptime: $!\\n"; return (split ' ', <$file>)[0]; }
print answer($tell) if $tell ne '';
my $end = uptime() + $seconds;
while (1) {
  my $said = answer($ask);
  my $found = $said =~ /$wanted/m;
  if ($found || uptime() >= $end) { print "\\n\\x01\\n", $said; exit($found ? 0 : 3); }
  select(undef, undef, undef, ${LOOK_S});
}`;

/** Longer than any is waited for. */
const OVERHEAD_MS = 30_000;
const ANY = '';
/** What HAProxy answers where it has done as it was told, if anything. */
const TOLD = /^(IP changed|port changed|no need to change|nothing changed)/i;

/** What HAProxy shows of its servers, by their names. Pure. */
export function readSlots(csv: string): Map<string, SlotState> {
  const lines = csv.trim().split('\n');
  const names = (lines[0] ?? '').replace(/^# /, '').split(',');
  const at = (name: string) => names.indexOf(name);
  return new Map(
    lines
      .slice(1)
      .filter((line) => line.startsWith(`${BACKEND},`))
      .map((line) => line.split(','))
      .map((fields) => [
        fields[at('svname')]!,
        {
          status: fields[at('status')] ?? '',
          check: (fields[at('check_status')] ?? '').replace(/^\* /, ''),
          current: Number(fields[at('scur')]),
        },
      ]),
  );
}

/** A line of what HAProxy shows: the slot with these values in their columns (management.txt of HAProxy 2.6, 9.1). */
export const slotLine = (slot: string, columns: Record<number, string>): string => {
  const last = Math.max(...Object.keys(columns).map(Number));
  const rest = Array.from({ length: last - 1 }, (_, i) => columns[i + 2] ?? '[^,]*');
  return `^${BACKEND},${slot},${rest.join(',')},`;
};
const COLUMN = { current: 4, status: 17, check: 36 } as const;

export type Slots = ReturnType<typeof controlSlots>;

/**
 * `container`: id of the balancer's. `names`: its slots, in which these are from the start. Each replica gets a slot that
 * was nobody's for longest.
 */
export function controlSlots(
  {
    container,
    names,
    first,
    port,
  }: { container: string; names: readonly string[]; first: readonly string[]; port: number },
  { engine, signal, now }: { engine: Pick<Engine, 'exec'>; signal: AbortSignal; now: () => number },
) {
  const tenants: Tenant[] = first.map((id, i) => ({ slot: names[i]!, id, fromMs: 0 }));
  const free = names.slice(first.length);
  /** Slots that get no requests by our own doing, and those of replicas that have died. */
  const [inMaint, dead] = [new Set<string>(), new Set<string>()];
  const slotOf = (id: string) => tenants.findLast((one) => one.id === id)?.slot;

  /** True where the line that is wanted came in time. */
  async function ask(
    tell: string[],
    wanted: string,
    seconds: number,
  ): Promise<{ found: boolean; slots: Map<string, SlotState> }> {
    const args = ['perl', '-e', PROGRAM, tell.join(';'), SHOW, wanted, String(seconds)];
    const overdue = AbortSignal.timeout(seconds * 1000 + OVERHEAD_MS);
    const { exitCode, stdout, stderr } = await engine.exec(container, args, AbortSignal.any([signal, overdue]));
    const [said = '', shown = ''] = stdout.split('\n\x01\n');
    const refused = said.split('\n').find((line) => line.trim() !== '' && !TOLD.test(line.trim()));
    if (refused !== undefined || (exitCode !== 0 && exitCode !== 3))
      throw new InfrastructureError(
        `the balancer does not do as it is told: ${(refused ?? stderr.trim()) || `exit code ${exitCode}`}`,
        {
          hint: 'Run the benchmark again; npm run logs has what the balancer has said.',
        },
      );
    return { found: exitCode === 0, slots: readSlots(shown) };
  }

  const isUp = (slot: string) => slotLine(slot, { [COLUMN.status]: 'UP', [COLUMN.check]: '(?:\\* )?L7OK' });

  return {
    tenants: tenants as readonly Tenant[],
    slotOf,

    /** What the balancer says of each slot once all that are in use get requests, or the time is over. */
    async settled(seconds: number): Promise<Map<string, SlotState>> {
      // each look has all lines, in the order of the slots
      const wanted = first.map((_, i) => `(?:${isUp(names[i]!)})`).join('[\\s\\S]*');
      return (await ask([], wanted || ANY, seconds)).slots;
    },

    /** Puts a replica in a slot and waits until it gets requests; false where it does not in time. */
    async put(id: string, address: string, seconds: number): Promise<boolean> {
      const slot = free.shift();
      if (slot === undefined)
        throw new InfrastructureError(`the balancer has no slot for one more replica: all ${names.length} are in use`, {
          hint: 'So many replicas were never meant to be at once.',
        });
      tenants.push({ slot, id, fromMs: now() });
      dead.delete(slot);
      return this.ready(id, address, seconds);
    },

    /** The same of one that has a slot, and may have another address since. */
    async ready(id: string, address: string, seconds: number): Promise<boolean> {
      const server = `${BACKEND}/${slotOf(id)}`;
      inMaint.delete(slotOf(id)!);
      const tell = [`set server ${server} addr ${address} port ${port}`, `set server ${server} state ready`];
      return (await ask(tell, isUp(slotOf(id)!), seconds)).found;
    },

    /** No new request, of no session either; gives what is still under way when nothing is, or the time is over. */
    async maintain(id: string, seconds: number): Promise<number> {
      const slot = slotOf(id)!;
      inMaint.add(slot);
      const { slots } = await ask(
        [`set server ${BACKEND}/${slot} state maint`],
        slotLine(slot, { [COLUMN.current]: '0' }),
        seconds,
      );
      return slots.get(slot)?.current ?? 0;
    },

    /** Somebody else may have its slot. */
    leave(id: string): void {
      const slot = slotOf(id);
      if (slot === undefined || free.includes(slot)) return;
      free.push(slot);
      if (!inMaint.has(slot)) dead.add(slot);
    },

    /**
     * The slots of replicas that have died get no requests any more: a container that is started may get the address of a
     * dead one, and would be well in its slot too.
     */
    async bury(): Promise<void> {
      const slots = [...dead];
      if (slots.length === 0) return;
      dead.clear();
      for (const slot of slots) inMaint.add(slot);
      await ask(
        slots.map((slot) => `set server ${BACKEND}/${slot} state maint`),
        ANY,
        0,
      );
    },
  };
}
