/** What must and must not compile, as `tsc` sees it: this file is compiled, never run. */
import { decodeIntent } from '../../../src/engine/delivery/project-objects.ts';
import { decodePanes } from '../../../src/engine/format/entry.ts';
import { readGroup } from '../../../src/engine/format/read-group.ts';
import type { Deployment } from '../../../src/engine/group/deployment.ts';
import { EMPTY_GROUP } from '../../../src/engine/group/group.ts';
import { type AuditPorts, audit } from '../../../src/engine/inspect/audit.ts';
import { definitionIn, holdDeployment } from '../../../src/engine/log/definition-log.ts';
import { GroupLogs } from '../../../src/engine/log/group-logs.ts';
import { enginePorts } from '../../../src/engine/log/spill.ts';
import { processHandler } from '../../../src/handlers.ts';
import type { CommitLog, StoredEntry, WholeLog } from '../../../src/ports/commit-log.ts';
import type { EnginePorts, Ports } from '../../../src/ports/index.ts';

declare const ports: Ports;
declare const deployment: Deployment;
declare const stored: StoredEntry;
const { pipeline } = deployment;

// The body of a stored entry may be an object: nothing that reads bodies takes one, nor a log that has them.
new GroupLogs(enginePorts(ports), deployment);
// @ts-expect-error
new GroupLogs(ports, deployment);
holdDeployment(enginePorts(ports), pipeline);
// @ts-expect-error
holdDeployment(ports, pipeline);
// @ts-expect-error
decodePanes(stored);
// @ts-expect-error
decodeIntent(stored);
// @ts-expect-error
definitionIn(stored);
// @ts-expect-error
readGroup(deployment, EMPTY_GROUP, [stored]);
// @ts-expect-error
export const whole: WholeLog = ports.log;

// Handlers and the audit take the logs as they are stored: to have the bodies twice would read names as bodies.
declare const engine: EnginePorts;
declare const auditPorts: AuditPorts;
// @ts-expect-error
export const raw: CommitLog = engine.log;
// @ts-expect-error
enginePorts(engine);
// @ts-expect-error
processHandler(engine, pipeline);
audit(auditPorts, pipeline);
// @ts-expect-error
audit({ ...auditPorts, log: engine.log }, pipeline);
