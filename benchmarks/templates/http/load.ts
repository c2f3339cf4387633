/** What is sent: one iteration. docs/loadgen.md of Mayfly says what the function gets. */
import { defineLoad } from 'mayfly/load';

const NAMES = ['Ada', 'Grace', 'Edsger', 'Barbara'];

export default defineLoad(({ http, random }) => {
  const name = NAMES[Math.floor(random() * NAMES.length)]!;
  return http.get(`/greet?name=${name}`, { name: 'greet', expect: { body: `hello, ${name}` } });
});
