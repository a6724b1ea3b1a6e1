package realworld

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/netpolltrace/netpolltrace/wait"
)

// scene is a server that is about to be started: where it may write, and where
// it shall listen.
type scene struct {
	dir     string
	address string
}

func (s *scene) file(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(s.dir, name)
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// play is how a server is started and asked.
type play struct {
	args      []string
	newClient func() (client, error)
	working   func() bool // once it does what it does by itself; nil: it does nothing by itself
	shows     []claim
}

// claim is something that a recording must show of the server: what its user
// would want to know.
type claim struct {
	mode   string
	in     string // a function on the stack
	reason string // empty: any
	op     wait.Op
	role   wait.Role
	peer   string        // empty: any
	local  string        // empty: any
	waits  int           // at least so many
	median time.Duration // that long at the least, of what was awaited
}

// server is a program of Debian.
type server struct {
	debianPackage
	exe string // within the package
	set func(t *testing.T, s *scene) *play
}

// servers are of as many Go versions as Debian's suites have. What each is made
// to suffer from is something that happens to servers of its kind.
var servers = []server{
	{debianPackage{"bookworm", "nats-server"}, "usr/sbin/nats-server", setNATS},
	{debianPackage{"trixie", "rclone"}, "usr/bin/rclone", setRclone},
	{debianPackage{"trixie", "etcd-server"}, "usr/bin/etcd", setEtcd},
	{debianPackage{"sid", "caddy"}, "usr/bin/caddy", setCaddy},
	{debianPackage{"sid", "prometheus"}, "usr/bin/prometheus", setPrometheus},
}

// pooledRead is where net/http's client waits for an answer, and clientRead
// where its server waits for the next request.
const (
	pooledRead = "net/http.(*persistConn).readLoop"
	clientRead = "net/http.(*conn).serve"
)

// setCaddy balances requests between two fast servers and a slow one.
func setCaddy(t *testing.T, s *scene) *play {
	const slowness = 12 * time.Millisecond
	text := bytes.Repeat([]byte("as before\n"), 400)
	upstreams := startUpstreams(t, always("text/plain", text), 0, 0, slowness)
	fast, slow := upstreams[0], upstreams[2]
	config := s.file(t, "Caddyfile", fmt.Sprintf(`{
	admin off
	auto_https off
}
http://%s {
	reverse_proxy %s {
		lb_policy round_robin
	}
}
`, s.address, addresses(upstreams, " ")))
	return &play{
		args: []string{"run", "--adapter", "caddyfile", "--config", config},
		newClient: func() (client, error) {
			return newHTTPClient(get("http://"+s.address+"/"), exactly(text)), nil
		},
		shows: []claim{
			{mode: "io", in: pooledRead, op: wait.OpRead, role: wait.RoleDialed, peer: slow.address, waits: 100, median: slowness * 9 / 10},
			{mode: "io", in: pooledRead, op: wait.OpRead, role: wait.RoleDialed, peer: fast.address, waits: 100},
			{mode: "io", in: clientRead, op: wait.OpRead, role: wait.RoleAccepted, local: s.address, waits: 100},
			{mode: "all", in: "net/http.(*persistConn).roundTrip", reason: "select", waits: 100},
		},
	}
}

func addresses(upstreams []upstream, between string) string {
	var list []string
	for _, u := range upstreams {
		list = append(list, u.address)
	}
	return strings.Join(list, between)
}

// setRclone serves the files of a server that is far away.
func setRclone(t *testing.T, s *scene) *play {
	const distance = 8 * time.Millisecond
	text := bytes.Repeat([]byte("far away\n"), 3000)
	origin := startUpstreams(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/" { // rclone lists a folder by the links of its page
			always("text/html", []byte(`<a href="file">file</a>`))(w, r)
			return
		}
		always("application/octet-stream", text)(w, r)
	}, distance)[0]
	return &play{
		args: []string{"serve", "http", "--config", s.file(t, "rclone.conf", ""), "--cache-dir", s.dir,
			"--addr", s.address, "--http-url", "http://" + origin.address, "--http-no-head", ":http:"},
		newClient: func() (client, error) {
			return newHTTPClient(get("http://"+s.address+"/file"), exactly(text)), nil
		},
		shows: []claim{
			{mode: "io", in: pooledRead, op: wait.OpRead, role: wait.RoleDialed, peer: origin.address, waits: 100, median: distance * 9 / 10},
			{mode: "io", in: clientRead, op: wait.OpRead, role: wait.RoleAccepted, local: s.address, waits: 10},
		},
	}
}

// setEtcd writes and reads keys. Its answers wait for its disk, which no socket
// shows: it takes mode all.
func setEtcd(t *testing.T, s *scene) *play {
	peers := "http://" + freeAddress(t)
	own := "http://" + s.address
	value := base64.StdEncoding.EncodeToString(bytes.Repeat([]byte("v"), 200))
	return &play{
		args: []string{"--data-dir", filepath.Join(s.dir, "data"), "--log-level", "error",
			"--listen-client-urls", own, "--advertise-client-urls", own, "--listen-peer-urls", peers,
			"--initial-advertise-peer-urls", peers, "--initial-cluster", "default=" + peers},
		newClient: func() (client, error) { return newEtcdClient(own, value), nil },
		shows: []claim{
			// etcd serves HTTP by asking itself by gRPC.
			{mode: "io", in: "google.golang.org/grpc/internal/transport.(*http2Client).reader", op: wait.OpRead, role: wait.RoleDialed, peer: s.address, waits: 50},
			{mode: "io", in: clientRead, op: wait.OpRead, role: wait.RoleAccepted, local: s.address, waits: 50},
			{mode: "all", in: "go.etcd.io/etcd/server/etcdserver.(*EtcdServer).processInternalRaftRequestOnce", reason: "select", waits: 50},
		},
	}
}

// newEtcdClient puts a key of its own and gets it again.
func newEtcdClient(own, value string) client {
	key := base64.StdEncoding.EncodeToString(fmt.Appendf(nil, "key %d", rand.Int()))
	puts := true
	question := func() *http.Request {
		if puts {
			return newRequest(http.MethodPost, own+"/v3/kv/put", fmt.Sprintf(`{"key":%q,"value":%q}`, key, value))
		}
		return newRequest(http.MethodPost, own+"/v3/kv/range", fmt.Sprintf(`{"key":%q}`, key))
	}
	return newHTTPClient(question, func(body []byte) error {
		var answer struct {
			KVs []struct{ Key, Value string }
		}
		if err := json.Unmarshal(body, &answer); err != nil {
			return err
		}
		if !puts && (len(answer.KVs) != 1 || answer.KVs[0].Key != key || answer.KVs[0].Value != value) {
			return fmt.Errorf("etcd has %s for %s", body, key)
		}
		puts = !puts
		return nil
	})
}

// setPrometheus scrapes two fast targets and a slow one, and answers queries.
func setPrometheus(t *testing.T, s *scene) *play {
	const slowness = 60 * time.Millisecond
	var metrics bytes.Buffer
	for i := range 500 {
		fmt.Fprintf(&metrics, "things_total{kind=\"%d\"} %d\n", i, i)
	}
	targets := startUpstreams(t, always("text/plain; version=0.0.4", metrics.Bytes()), 0, 0, slowness)
	config := s.file(t, "prometheus.yml", fmt.Sprintf(`
global: {scrape_interval: 200ms, scrape_timeout: 200ms}
scrape_configs:
- job_name: things
  static_configs:
  - targets: [%s]
`, addresses(targets, ", ")))
	query := "http://" + s.address + "/api/v1/query?time=1&query=6*7"
	return &play{
		args: []string{"--config.file", config, "--storage.tsdb.path", filepath.Join(s.dir, "data"),
			"--web.listen-address", s.address, "--log.level", "error"},
		newClient: func() (client, error) {
			return newHTTPClient(get(query), exactly([]byte(`{"status":"success","data":{"resultType":"scalar","result":[1,"42"]}}`))), nil
		},
		working: func() bool {
			return !slices.ContainsFunc(targets, func(u upstream) bool { return u.asked.Load() == 0 })
		},
		shows: []claim{
			{mode: "io", in: pooledRead, op: wait.OpRead, role: wait.RoleDialed, peer: targets[2].address, waits: 10, median: slowness * 9 / 10},
			{mode: "io", in: pooledRead, op: wait.OpRead, role: wait.RoleDialed, peer: targets[0].address, waits: 10},
			{mode: "io", in: clientRead, op: wait.OpRead, role: wait.RoleAccepted, local: s.address, waits: 100},
			{mode: "all", in: "github.com/prometheus/prometheus/scrape.(*scrapeLoop).run", reason: "select", waits: 3},
		},
	}
}

// setNATS passes messages between clients, one of which cannot take them as
// quickly as they come.
func setNATS(t *testing.T, s *scene) *play {
	return &play{
		args: []string{"-a", "127.0.0.1", "-p", s.address[strings.LastIndex(s.address, ":")+1:]},
		newClient: func() (client, error) {
			return newNATSClient(s.address)
		},
		shows: []claim{
			{mode: "io", in: "github.com/nats-io/nats-server/server.(*client).readLoop", op: wait.OpRead, role: wait.RoleAccepted, local: s.address, waits: 100},
			{mode: "all", in: "github.com/nats-io/nats-server/server.(*client).writeLoop", waits: 100},
		},
	}
}

// natsClient publishes to a subject of its own and gets what it published;
// see https://docs.nats.io/reference/reference-protocols/nats-protocol.
type natsClient struct {
	conn    net.Conn
	in      *bufio.Reader
	subject string
	number  int
}

func newNATSClient(address string) (*natsClient, error) {
	conn, err := net.Dial("tcp", address)
	if err != nil {
		return nil, err
	}
	c := &natsClient{conn: conn, in: bufio.NewReader(conn), subject: fmt.Sprintf("subject.%d", rand.Int())}
	if _, err := fmt.Fprintf(conn, "CONNECT {\"verbose\":false}\r\nSUB %s 1\r\n", c.subject); err != nil {
		return nil, err
	}
	_, err = c.in.ReadString('\n') // INFO
	return c, err
}

func (c *natsClient) ask() error {
	c.number++
	text := fmt.Sprintf("message %d of %s", c.number, c.subject)
	if _, err := fmt.Fprintf(c.conn, "PUB %s %d\r\n%s\r\n", c.subject, len(text), text); err != nil {
		return err
	}
	want := fmt.Sprintf("MSG %s 1 %d\r\n%s\r\n", c.subject, len(text), text)
	got := make([]byte, len(want))
	for {
		// The server asks whether the client is alive between two messages.
		if next, err := c.in.Peek(4); err != nil {
			return err
		} else if string(next) != "PING" {
			break
		}
		if _, err := c.in.ReadString('\n'); err != nil {
			return err
		}
		if _, err := io.WriteString(c.conn, "PONG\r\n"); err != nil {
			return err
		}
	}
	if _, err := io.ReadFull(c.in, got); err != nil {
		return err
	}
	return exactly([]byte(want))(got)
}

func (c *natsClient) Close() error { return c.conn.Close() }
