import java.io.IOException;
import org.apache.flink.api.connector.sink2.Sink;
import org.apache.flink.api.connector.sink2.SinkWriter;
import org.apache.flink.api.connector.sink2.WriterInitContext;

/** A result of a window of one key. A rolling window has no start and no maximum. */
public class Pane {
  public String key;
  public long start;
  /** Of a rolling window, a millisecond after its last record. */
  public long end;
  public long count;
  public double mean;
  public double max;

  public Pane() {}

  Pane(String key, long start, long end, long count, double mean, double max) {
    this.key = key;
    this.start = start;
    this.end = end;
    this.count = count;
    this.mean = mean;
    this.max = max;
  }

  /** Adds up the hashes of panes that end by some time. `checksum.ts` computes the same. */
  static final class Fold implements Sink<Pane> {
    /** Means are compared in this unit: no mean of up to 255 values of 3 decimals is halfway between two. */
    private static final double PER_UNIT = 128e6;

    static volatile int sum;
    static volatile int panes;
    private final long until;

    Fold(long until) {
      this.until = until;
    }

    @Override
    public SinkWriter<Pane> createWriter(WriterInitContext context) {
      return new SinkWriter<>() {
        @Override
        public void write(Pane pane, Context at) throws IOException {
          if (pane.end > until) return;
          int hash = pane.key.hashCode();
          hash = mix(hash, pane.start);
          hash = mix(hash, pane.end);
          hash = mix(hash, pane.count);
          hash = mix(hash, Math.round(pane.mean * PER_UNIT));
          hash = mix(hash, Double.doubleToLongBits(pane.max));
          sum += hash;
          panes++;
        }

        @Override
        public void flush(boolean atEnd) {}

        @Override
        public void close() {}
      };
    }

    private static int mix(int hash, long word) {
      return mix(mix(hash, (int) word), (int) (word >>> 32));
    }

    private static int mix(int hash, int word) {
      int product = (hash ^ word) * 0x9e3779b1;
      return product ^ (product >>> 15);
    }
  }
}
