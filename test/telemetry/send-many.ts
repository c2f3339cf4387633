import { connect } from 'node:net';

const IN_FLIGHT = 5;
const ANSWER = 'HTTP/1.1 ';

/** Sends GET requests for the paths over one connection, a few at a time, and ends when all have an answer. */
export function sendMany(port: number, paths: string[]): Promise<void> {
  return new Promise((resolve, reject) => {
    const client = connect(port, '127.0.0.1').setEncoding('latin1');
    let sent = 0;
    let answered = 0;
    let rest = '';
    const send = () => {
      const some = paths.slice(sent, (sent += IN_FLIGHT));
      if (some.length === 0) client.end();
      else client.write(some.map((path) => `GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`).join(''));
    };
    client.on('data', (text) => {
      const answers = (rest + text).split(ANSWER);
      answered += answers.length - 1;
      rest = answers.at(-1)!.slice(1 - ANSWER.length);
      if (answered >= Math.min(sent, paths.length)) send();
    });
    client.on('close', () =>
      answered === paths.length ? resolve() : reject(new Error(`${answered} of ${paths.length} have an answer`)),
    );
    client.on('error', reject);
    send();
  });
}
