import { readFileSync } from 'node:fs';
import { handler } from './handler.ts';

const [file = new URL('event.json', import.meta.url)] = process.argv.slice(2);
console.log(JSON.stringify(await handler(JSON.parse(readFileSync(file, 'utf8')))));
