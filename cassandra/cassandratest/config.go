package cassandratest

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// nodeSpec is a node, whether it has a process or not.
type nodeSpec struct {
	Name   string // "dc1-1"
	DC     string
	Tokens []string
	place
}

// vnodes is the number of tokens of a node.
const vnodes = 4

// layOut returns the nodes of a topology. It deals out the tokens evenly: so
// nodes that start at the same moment do not choose the same ones, and each
// owns as much as the others of its data centre.
func layOut(t Topology, places []place) []nodeSpec {
	var nodes []nodeSpec
	for d, dc := range t.DCs {
		step := ^uint64(0) / uint64(dc.Nodes*vnodes)
		for i := range dc.Nodes {
			spec := nodeSpec{Name: fmt.Sprintf("%s-%d", dc.Name, i+1), DC: dc.Name, place: places[len(nodes)]}
			for v := range vnodes {
				token := step/2 + step*uint64(v*dc.Nodes+i) + uint64(d)
				spec.Tokens = append(spec.Tokens, strconv.FormatInt(int64(token), 10))
			}
			nodes = append(nodes, spec)
		}
	}
	return nodes
}

// settings returns the node's cassandra.yaml. The rest has Cassandra's own
// defaults. All is small, because several nodes share a machine with the tests.
func (n nodeSpec) settings(cluster, dir string, seeds []string, overrides map[string]any) map[string]any {
	s := map[string]any{
		"cluster_name":           cluster,
		"partitioner":            "org.apache.cassandra.dht.Murmur3Partitioner",
		"endpoint_snitch":        "GossipingPropertyFileSnitch",
		"num_tokens":             vnodes,
		"initial_token":          strings.Join(n.Tokens, ","),
		"auto_bootstrap":         false,
		"listen_address":         n.Address,
		"rpc_address":            n.Address,
		"storage_port":           n.Ports.Storage,
		"ssl_storage_port":       n.Ports.Storage + 1,
		"native_transport_port":  n.Ports.CQL,
		"start_native_transport": true,
		// Every node is a seed: any of them may be the first to come back, or
		// the only one.
		"seed_provider": []any{map[string]any{
			"class_name": "org.apache.cassandra.locator.SimpleSeedProvider",
			"parameters": []any{map[string]any{"seeds": strings.Join(seeds, ",")}},
		}},

		"data_file_directories":  []string{filepath.Join(dir, "data")},
		"commitlog_directory":    filepath.Join(dir, "commitlog"),
		"hints_directory":        filepath.Join(dir, "hints"),
		"saved_caches_directory": filepath.Join(dir, "saved_caches"),
		"cdc_raw_directory":      filepath.Join(dir, "cdc"),

		"commitlog_sync":        "periodic",
		"commitlog_sync_period": "10000ms",
		"commitlog_total_space": "256MiB",
		"auto_snapshot":         false,

		"concurrent_reads":               16,
		"concurrent_writes":              16,
		"concurrent_counter_writes":      4,
		"concurrent_compactors":          1,
		"key_cache_size":                 "4MiB",
		"counter_cache_size":             "0MiB",
		"file_cache_size":                "32MiB",
		"networking_cache_size":          "16MiB",
		"memtable_heap_space":            "48MiB",
		"memtable_offheap_space":         "48MiB",
		"prepared_statements_cache_size": "4MiB",
	}
	maps.Copy(s, overrides)
	return s
}

// logback keeps the log of a node short: what went wrong, and which nodes came
// and went.
const logback = `<configuration>
  <appender name="OUT" class="ch.qos.logback.core.ConsoleAppender">
    <encoder><pattern>%-5level %date{HH:mm:ss.SSS} [%thread] %logger{0}: %msg%n</pattern></encoder>
  </appender>
  <root level="WARN"><appender-ref ref="OUT"/></root>
  <logger name="org.apache.cassandra.gms.Gossiper" level="INFO"/>
  <logger name="org.apache.cassandra.hints" level="INFO"/>
  <logger name="org.apache.cassandra.service.StorageService" level="INFO"/>
  <logger name="org.apache.cassandra.transport.PipelineConfigurator" level="INFO"/>
  <logger name="org.apache.cassandra.service.StartupChecks" level="ERROR"/>
  <logger name="org.apache.cassandra.utils.NativeLibrary" level="ERROR"/>
</configuration>
`

// writeConfig writes the files that a node reads at its start into its
// directory.
func (n nodeSpec) writeConfig(cluster, dir string, seeds []string, t Topology) error {
	for _, sub := range []string{"conf", "tmp"} {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o700); err != nil {
			return err
		}
	}
	settings := n.settings(cluster, dir, seeds, t.Settings)
	if t.TLS != "" {
		encryption, err := t.nodeTLS()
		if err != nil {
			return fmt.Errorf("Topology.TLS: %w", err)
		}
		settings["client_encryption_options"] = encryption
	}
	// JSON is YAML.
	yaml, err := json.MarshalIndent(settings, "", "  ")
	if err != nil {
		return fmt.Errorf("settings of cassandra.yaml: %w", err)
	}
	for name, content := range map[string]string{
		"cassandra.yaml":    string(yaml) + "\n",
		"rackdc.properties": "dc=" + n.DC + "\nrack=rack1\n",
		"logback.xml":       logback,
	} {
		if err := os.WriteFile(filepath.Join(dir, "conf", name), []byte(content), 0o600); err != nil {
			return err
		}
	}
	return nil
}

// javaModules opens the packages of the JDK that Cassandra uses, as its own
// jvm17-server.options does.
var javaModules = []string{
	"--add-exports=java.base/jdk.internal.misc=ALL-UNNAMED",
	"--add-exports=java.base/jdk.internal.ref=ALL-UNNAMED",
	"--add-exports=java.base/java.lang.ref=ALL-UNNAMED",
	"--add-exports=java.base/sun.nio.ch=ALL-UNNAMED",
	"--add-exports=java.management.rmi/com.sun.jmx.remote.internal.rmi=ALL-UNNAMED",
	"--add-exports=java.rmi/sun.rmi.registry=ALL-UNNAMED",
	"--add-exports=java.rmi/sun.rmi.server=ALL-UNNAMED",
	"--add-exports=java.sql/java.sql=ALL-UNNAMED",
	"--add-exports=jdk.unsupported/sun.misc=ALL-UNNAMED",
	"--add-opens=java.base/java.io=ALL-UNNAMED",
	"--add-opens=java.base/java.lang=ALL-UNNAMED",
	"--add-opens=java.base/java.lang.module=ALL-UNNAMED",
	"--add-opens=java.base/java.lang.reflect=ALL-UNNAMED",
	"--add-opens=java.base/java.net=ALL-UNNAMED",
	"--add-opens=java.base/java.nio=ALL-UNNAMED",
	"--add-opens=java.base/java.util=ALL-UNNAMED",
	"--add-opens=java.base/java.util.concurrent=ALL-UNNAMED",
	"--add-opens=java.base/java.util.concurrent.atomic=ALL-UNNAMED",
	"--add-opens=java.base/jdk.internal.loader=ALL-UNNAMED",
	"--add-opens=java.base/jdk.internal.math=ALL-UNNAMED",
	"--add-opens=java.base/jdk.internal.module=ALL-UNNAMED",
	"--add-opens=java.base/jdk.internal.ref=ALL-UNNAMED",
	"--add-opens=java.base/jdk.internal.reflect=ALL-UNNAMED",
	"--add-opens=java.base/jdk.internal.util.jar=ALL-UNNAMED",
	"--add-opens=java.base/sun.nio.ch=ALL-UNNAMED",
	"--add-opens=jdk.management/com.sun.management.internal=ALL-UNNAMED",
}

// java returns the arguments of every JVM here. Nodes are started far more
// often than they are measured, so this JVM starts fast: until it answers, a
// node takes 2.8 s of processor time, against 9.5 s with the JVM's own choices.
// (C1 alone halves it, the archived classes take off another third.)
func (s software) java() []string {
	args := append([]string{}, javaModules...)
	args = append(args, "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-XX:-UsePerfData", "-Xss512k")
	if exists(s.Archive) {
		args = append(args, "-XX:SharedArchiveFile="+s.Archive, "-Xlog:cds=off", "-Xlog:cds+dynamic=off")
	}
	return args
}

// javaArgs returns the arguments of java that make it this node.
func (n nodeSpec) javaArgs(dir string, s software, t Topology) []string {
	heap := strconv.Itoa(t.HeapMB) + "m"
	conf := "file://" + filepath.Join(dir, "conf") + "/"
	args := append(s.java(),
		// As root, a node locks the memory that it has at its start: start with
		// little.
		"-Xms96m", "-Xmx"+heap, "-XX:MaxDirectMemorySize="+heap, "-XX:+ExitOnOutOfMemoryError",
		// A native library that is unpacked in /tmp would stay there after a
		// kill -9.
		"-Djava.io.tmpdir="+filepath.Join(dir, "tmp"), "-Djna.tmpdir="+filepath.Join(dir, "tmp"),
		"-Dcassandra.config="+conf+"cassandra.yaml",
		"-Dcassandra-rackdc.properties="+conf+"rackdc.properties",
		"-Dlogback.configurationFile="+conf+"logback.xml",
		"-Dcassandra.storagedir="+dir,
		"-Dcassandra-foreground=yes", // or it closes its standard output, and the log ends
		"-Dcassandra.jmx.local.port="+strconv.Itoa(n.JMX),
		"-Djdk.attach.allowAttachSelf=true",
		"-Dio.netty.tryReflectionSetAccessible=true",
		"-Dio.netty.eventLoopThreads=4",

		// All nodes are known beforehand: none waits for others to appear.
		"-Dcassandra.ring_delay_ms=1000",
		"-Dcassandra.skip_wait_for_gossip_to_settle=0",
		"-Dcassandra.shutdown_announce_in_ms=200",
		"-Dcassandra.superuser_setup_delay_ms=0",
		// Or it inserts 100,000 rows at each start to find this out: 1.3 s.
		"-Dcassandra.memtable.row_overhead_size=180",
	)
	if !t.Private {
		// A restart forgets the schema, but a shared node is not restarted. A
		// keyspace with its tables is less than half of the work.
		args = append(args, "-Dcassandra.test.flush_local_schema_changes=false")
	}
	args = append(args, t.JVM...)
	return append(args, "-cp", s.classPath(), "org.apache.cassandra.service.CassandraDaemon")
}
