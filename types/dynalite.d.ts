declare module 'dynalite' {
  import type { Server } from 'node:http';

  export default function dynalite(options: {
    path?: string | undefined;
    createTableMs?: number;
    deleteTableMs?: number;
    updateTableMs?: number;
  }): Server;
}

declare module 'dynalite/db/conditionParser.js' {
  /** What a request gives beside its condition, and what of it the condition has not named so far. */
  export interface ConditionContext {
    attrNames?: Record<string, string>;
    attrVals?: Record<string, object>;
    unusedAttrNames: Record<string, true>;
    unusedAttrVals: Record<string, true>;
  }

  const parser: {
    /** The condition, or why it is refused. */
    parse(text: string, options: { readonly context: ConditionContext }): object | string;
  };
  export default parser;
}
