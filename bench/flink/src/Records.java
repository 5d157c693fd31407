import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import com.fasterxml.jackson.core.StreamReadFeature;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import org.apache.flink.api.common.functions.RichMapFunction;
import org.apache.flink.api.common.state.CheckpointListener;
import org.apache.flink.api.common.typeinfo.TypeInformation;
import org.apache.flink.api.common.typeinfo.Types;
import org.apache.flink.api.java.tuple.Tuple3;

/** A file of JSON, a record a line, in memory; and what the process had used of the processor at two of its records. */
final class Records {
  /** Key, event time in epoch milliseconds, value. */
  static final TypeInformation<Tuple3<String, Long, Double>> READING =
      Types.TUPLE(Types.STRING, Types.LONG, Types.DOUBLE);

  private static byte[] bytes;
  private static int[] starts;
  private static long warm;
  private static long count;
  static volatile long startedNanos;
  static volatile long endedNanos;
  static volatile int checkpoints;

  /** The first {@code count} records of a file, of which {@code warm} are read before time is taken. */
  static void load(Path file, int warm, int count) throws IOException {
    bytes = Files.readAllBytes(file);
    starts = new int[count + 1];
    int next = 0;
    for (int record = 0; record < count; record++) {
      while (bytes[next] != '\n') next++;
      starts[record + 1] = ++next;
    }
    Records.warm = warm;
    Records.count = count;
  }

  /** Reads the record of a number with Jackson's streaming parser. */
  static final class Parse extends RichMapFunction<Long, Tuple3<String, Long, Double>>
      implements CheckpointListener {
    private static final JsonFactory JSON =
        JsonFactory.builder().enable(StreamReadFeature.USE_FAST_DOUBLE_PARSER).build();
    private final Tuple3<String, Long, Double> reading = new Tuple3<>();

    @Override
    public Tuple3<String, Long, Double> map(Long number) throws IOException {
      int record = number.intValue();
      if (record == warm) startedNanos = processorNanos();
      if (record == count - 1) endedNanos = processorNanos();
      int start = starts[record];
      try (JsonParser json = JSON.createParser(bytes, start, starts[record + 1] - start)) {
        json.nextToken();
        while (json.nextToken() != JsonToken.END_OBJECT) {
          String name = json.currentName();
          json.nextToken();
          switch (name) {
            case "key" -> reading.f0 = json.getText();
            case "at" -> reading.f1 = json.getLongValue();
            case "value" -> reading.f2 = json.getDoubleValue();
            default -> json.skipChildren();
          }
        }
      }
      return reading;
    }

    @Override
    public void notifyCheckpointComplete(long checkpoint) {
      if (startedNanos > 0 && endedNanos == 0) checkpoints++;
    }
  }

  /** Of all threads of this process. */
  private static long processorNanos() {
    return ((com.sun.management.OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean())
        .getProcessCpuTime();
  }
}
