// The tests that `millrace init` writes, as they are.
import '../../src/init/templates/sensors/test/sensors.test.ts';
import '../../src/init/templates/trades/test/trades.test.ts';
import '../../src/init/templates/clicks/test/clicks.test.ts';
