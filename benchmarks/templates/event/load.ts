/** What is sent: one iteration. docs/loadgen.md of Mayfly says what the function gets. */
import { defineLoad } from 'mayfly/load';

const NAMES = ['Ada', 'Grace', 'Edsger', 'Barbara'];

export default defineLoad(({ http, random, scheduledMs }) =>
  http.post('/greetings', {
    name: 'greet',
    json: { name: NAMES[Math.floor(random() * NAMES.length)] },
    headers: { scheduled: String(scheduledMs) }, // from there the delivery of the event is timed
    expect: { status: 202 },
  }),
);
