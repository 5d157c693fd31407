import java.nio.file.Path;
import org.apache.flink.api.common.eventtime.WatermarkStrategy;
import org.apache.flink.api.java.tuple.Tuple3;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.streaming.api.datastream.DataStream;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;

/**
 * Runs one job on a cluster in this process, and prints what it took as JSON.
 *
 * <p>Arguments: the way; the state backend; the directory of `records.json`, where checkpoints go, too; how many
 * records come before time is taken; how many records in all; and the time by which panes end that are compared.
 */
public final class Main {
  public static void main(String[] words) throws Exception {
    String way = words[0];
    Path directory = Path.of(words[2]);
    int warm = Integer.parseInt(words[3]);
    int count = Integer.parseInt(words[4]);
    Records.load(directory.resolve("records.json"), warm, count);

    StreamExecutionEnvironment flink =
        StreamExecutionEnvironment.getExecutionEnvironment(settings(words[1], directory));
    DataStream<Tuple3<String, Long, Double>> readings =
        flink
            .fromSequence(0, count - 1)
            .map(new Records.Parse())
            .returns(Records.READING)
            .assignTimestampsAndWatermarks(
                WatermarkStrategy.<Tuple3<String, Long, Double>>forMonotonousTimestamps()
                    .withTimestampAssigner((reading, before) -> reading.f1));
    Ways.BY_NAME.get(way).apply(readings).sinkTo(new Pane.Fold(Long.parseLong(words[5])));
    flink.execute(way);

    double nanos = (double) (Records.endedNanos - Records.startedNanos) / (count - 1 - warm);
    System.out.printf(
        "{\"nanos\":%s,\"panes\":%d,\"sum\":%d,\"checkpoints\":%d}%n",
        nanos, Pane.Fold.panes, Pane.Fold.sum, Records.checkpoints);
  }

  private static Configuration settings(String backend, Path directory) {
    Configuration settings = new Configuration();
    settings.setString("parallelism.default", "1");
    settings.setString("pipeline.object-reuse", "true");
    // Makes a type fail that would be serialized by reflection.
    settings.setString("pipeline.generic-types", "false");
    settings.setString("state.backend.type", backend);
    settings.setString("execution.checkpointing.interval", "10 s");
    settings.setString("execution.checkpointing.incremental", "true");
    settings.setString("execution.checkpointing.storage", "filesystem");
    settings.setString("execution.checkpointing.dir", directory.resolve("checkpoints").toUri().toString());
    // As Flink advises where timers are few. In RocksDB they took as long.
    settings.setString("state.backend.rocksdb.timer-service.factory", "heap");
    settings.setString("taskmanager.memory.managed.size", "512 mb");
    settings.setString("io.tmp.dirs", directory.toString());
    settings.setString("table.local-time-zone", "UTC");
    return settings;
  }
}
