import { readFileSync, writeFileSync } from 'node:fs';
import { tablesOf, tryAll } from './wrong-uses-table.ts';

/** Writes what wrong uses of the command line print into docs/command-line.md, of which it is the end. */
const FILE = new URL('../../docs/command-line.md', import.meta.url);
const [text] = readFileSync(FILE, 'utf8').split('### Every command');
writeFileSync(FILE, `${text}${tablesOf(await tryAll())}\n`);
