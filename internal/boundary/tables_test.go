package boundary

// boundary is what one package may import. Tests may import more.
type boundary struct {
	folder string
	// ours is the folders of ours that it may import, separated by spaces.
	ours string
	// portable packages build on every system, and import portable ones alone in
	// their files for systems other than Linux.
	portable bool
}

// rows has a row for each package, in the order in which the data flows.
var rows = []boundary{
	// The vocabulary, which all others share.
	{folder: "wait", portable: true},
	{folder: "wait/column", ours: "wait", portable: true},

	// What a Go binary is like, from the bytes of the file alone.
	{folder: "gobinary", ours: "wait", portable: true},

	// What the live process is like, and what depends on the running kernel.
	{folder: "internal/rights"},
	{folder: "internal/recent", portable: true},
	{folder: "process", ours: "gobinary internal/recent internal/rights wait", portable: true},
	{folder: "bpf"},
	{folder: "kqueue_dtrace", ours: "gobinary wait", portable: true},
	{folder: "probes", ours: "bpf gobinary internal/rights process wait"},

	// One recording from start to end; it knows sources by their interface only.
	{folder: "session", ours: "wait", portable: true},

	// What was recorded: nothing here knows where waits come from.
	{folder: "recording", ours: "wait wait/column", portable: true},
	{folder: "explain", ours: "internal/recent wait", portable: true},
	{folder: "internal/nearest", portable: true},
	{folder: "internal/expression", ours: "internal/nearest", portable: true},
	{folder: "report", ours: "internal/expression internal/nearest internal/recent wait wait/column", portable: true},
	{folder: "findings", ours: "report wait", portable: true},
	{folder: "report/render", ours: "explain internal/safejson report wait", portable: true},
	{folder: "export", ours: "internal/safejson wait wait/column", portable: true},
	{folder: "internal/safejson", portable: true},

	// The commands, which wire the others, and what only they use.
	{folder: "internal/doctor", ours: "gobinary internal/rights kqueue_dtrace probes process wait", portable: true},
	{folder: "internal/workload"},
	{
		folder: "cmd/netpolltrace",
		ours: "explain export findings gobinary internal/doctor internal/workload kqueue_dtrace probes process recording " +
			"report report/render session wait",
		portable: true,
	},

	// Test machinery, which no product package imports.
	{folder: "internal/boundary"},
	{folder: "internal/testprogram"},
	{folder: "internal/truth", ours: "wait"},
	{folder: "internal/compatibility"},
	{folder: "internal/realworld"},
	{folder: "internal/vm"},
	{folder: "internal/vm/guest"},
	{folder: "internal/vm/init"},
	{folder: "internal/bench", ours: "gobinary internal/testprogram internal/truth probes process recording wait"},
}

// libraries says which folders may import a module of others, separated by spaces.
var libraries = map[string]string{
	"github.com/DataDog/sketches-go":    "report",
	"github.com/apache/arrow-go/v18":    "recording",
	"github.com/cilium/ebpf":            "bpf internal/doctor probes",
	"github.com/expr-lang/expr":         "internal/expression",
	"github.com/google/flatbuffers":     "recording",
	"github.com/klauspost/compress":     "recording",
	"github.com/olekukonko/tablewriter": "report/render",
	"github.com/spf13/cobra":            "cmd/netpolltrace",
	"github.com/spf13/pflag":            "cmd/netpolltrace",
	"golang.org/x/arch":                 "gobinary",
	"golang.org/x/exp":                  "internal/truth",
	"golang.org/x/sync":                 "internal/doctor session",
	"golang.org/x/sys":                  "cmd/netpolltrace internal/doctor internal/rights internal/vm/init probes process",
	"golang.org/x/term":                 "cmd/netpolltrace",
}
