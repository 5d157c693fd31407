import { expect, it } from 'vitest';
import { CANARY, linesThatShowIt } from './canary.ts';

it.each([
  ['itself', `key ${CANARY}-1`],
  ['in other letters', CANARY.toUpperCase()],
  ['in Base64', Buffer.from(`{"machine":"${CANARY}","at":1}`).toString('base64')],
  ['in Base64, from its second byte on', Buffer.from(`{"name":"${CANARY}","at":1}`).toString('base64')],
  ['in Base64, from its third byte on', Buffer.from(`{"names":"${CANARY}","at":1}`).toString('base64')],
  ['in hex', Buffer.from(`{"machine":"${CANARY}"}`).toString('hex')],
  ['as bytes', JSON.stringify([...Buffer.from(CANARY)])],
  [
    'as Node shows bytes',
    `<Buffer ${Buffer.from(CANARY).toString('hex').replaceAll(/(..)/g, '$1 ').trim()}>`,
  ],
])('the canary is found %s', (_, line) => {
  expect(linesThatShowIt(`a line\n${line}\nanother`)).toEqual([line]);
});

it('nothing is found where the canary is not', () => {
  expect(linesThatShowIt('{"level":"ERROR","message":"Cannot commit","log":"flights/0/3"}\n')).toEqual([]);
});
