import java.nio.file.Path;
import org.neo4j.configuration.GraphDatabaseSettings;
import org.neo4j.configuration.connectors.BoltConnector;
import org.neo4j.configuration.helpers.SocketAddress;
import org.neo4j.dbms.api.DatabaseManagementServiceBuilder;

/** Neo4j Community with Bolt on the loopback interface. Arguments: data folder, port. Ends when its standard input ends. */
public class Neo4jServer {
    public static void main(String[] arguments) throws Exception {
        new DatabaseManagementServiceBuilder(Path.of(arguments[0]))
            .setConfig(BoltConnector.enabled, true)
            .setConfig(BoltConnector.listen_address, new SocketAddress("127.0.0.1", Integer.parseInt(arguments[1])))
            .setConfig(GraphDatabaseSettings.auth_enabled, true)
            .setConfig(GraphDatabaseSettings.pagecache_memory, 64L << 20)
            .build();
        System.out.println("ready");
        while (System.in.read() >= 0) {
            // Only waits for the end of the input.
        }
        System.exit(0);
    }
}
