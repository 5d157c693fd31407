import { it } from 'vitest';
import { takesTyped } from './typed.ts';

it.each(['kinesis', 'sqs', 'fifo'] as const)('a record that is typed in goes by way of %s', takesTyped);
