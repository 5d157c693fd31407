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

declare module 'dynalite/db/index.js' {
  import type { Readable } from 'node:stream';

  /** Some keys in order, the first `limit` of them: all where that is negative or left out. */
  export interface Range {
    gt?: string;
    gte?: string;
    lt?: string;
    lte?: string;
    reverse?: boolean;
    limit?: number;
  }

  /** The items of one table by key. */
  export interface Items {
    get(key: string, answer: (error: unknown, item?: object) => void): void;
    put(key: string, item: object, answer: (error: unknown) => void): void;
    del(key: string, answer: (error: unknown) => void): void;
    /** It is given nothing but deletions. */
    batch(
      deletions: readonly { readonly type: 'del'; readonly key: string }[],
      answer: (error: unknown) => void,
    ): void;
    createKeyStream(range?: Range): Readable;
    createValueStream(range?: Range): Readable;
  }

  export interface Store {
    readonly db: { close(): Promise<void> };
    readonly tableDb: Items;
    getItemDb(table: string): Items;
  }

  const db: { create(options: { path?: string | undefined }): Store };
  export default db;
}

declare module 'dynalite/validations/index.js' {
  const validations: {
    /** What a request holds of the members that it may have, converted to their types. */
    checkTypes(data: Record<string, unknown>, types: Record<string, unknown>): Record<string, unknown>;
  };
  export default validations;
}

declare module 'dynalite/validations/putItem.js' {
  const validation: { readonly types: Record<string, unknown> };
  export default validation;
}

declare module 'dynalite/validations/batchWriteItem.js' {
  const validation: { readonly types: Record<string, unknown> };
  export default validation;
}
