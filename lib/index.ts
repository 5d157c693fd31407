/** What `millrace/cdk` exports: a stack of one pipeline, the construct that it holds, and the parts of that. */
export { acknowledgeFindings, type RulePack } from './acknowledged.ts';
export { FailuresBucket, ResultsBucket } from './constructs/buckets.ts';
export type { SinkTarget } from './constructs/message-sink.ts';
export { MessageSink } from './constructs/message-sink.ts';
export type { UpstreamResources } from './constructs/panes-source.ts';
export { PipelineFunction } from './constructs/pipeline-function.ts';
export { QueryApi } from './constructs/query-api.ts';
export type { ExistingResources, Names, Network, Overrides } from './constructs/settings.ts';
export type { SourcePart } from './constructs/source.ts';
export { RowsTable, StateTable } from './constructs/tables.ts';
export { MillracePipeline, type MillracePipelineProps } from './millrace-pipeline.ts';
export { PipelineStack, type PipelineStackProps } from './pipeline-stack.ts';
