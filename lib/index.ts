/** What `millrace/cdk` exports: a stack of one pipeline, the construct that it holds, and the parts of that. */
export { acknowledgeFindings, type RulePack } from './acknowledged.ts';
export { Bundles, entryOf } from './bundle.ts';
export { FailuresBucket, ResultsBucket } from './constructs/buckets.ts';
export { DynamoDBSource } from './constructs/dynamodb-source.ts';
export { KafkaSource } from './constructs/kafka-source.ts';
export { KinesisSource } from './constructs/kinesis-source.ts';
export { MessageSink, type SinkTarget } from './constructs/message-sink.ts';
export { PanesSource, type UpstreamResources } from './constructs/panes-source.ts';
export { PipelineFunction } from './constructs/pipeline-function.ts';
export { QueryApi } from './constructs/query-api.ts';
export { RabbitmqSource } from './constructs/rabbitmq-source.ts';
export type { ExistingResources, Names, Network, Overrides } from './constructs/settings.ts';
export type { SourcePart } from './constructs/source.ts';
export { SqsSource } from './constructs/sqs-source.ts';
export { RowsTable, StateTable } from './constructs/tables.ts';
export type { Alarms } from './constructs/watch.ts';
export { MillracePipeline, type MillracePipelineProps } from './millrace-pipeline.ts';
export { PipelineStack, type PipelineStackProps } from './pipeline-stack.ts';
