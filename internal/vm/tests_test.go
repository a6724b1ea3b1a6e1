package vm

import (
	"reflect"
	"testing"
	"time"
)

// A machine's console has the kernel's lines between those of the test, which
// marks its own (-test.v=test2json).
const console = "SeaBIOS (version 1.16.2)\n" +
	"VM-RELEASE 6.12.117\n" +
	"\x16=== RUN   TestBackends\n" +
	"\x16=== RUN   TestBackends/fentry\n" +
	"[   14.1] a kernel that warns\n" +
	"\x16=== NAME  TestBackends/fentry\n    record_test.go:9: wrong\n" +
	"\x16=== RUN   TestBackends/kprobe\n" +
	"\x16=== NAME  TestBackends/kprobe\n    record_test.go:9: no kprobes\n" +
	"\x16--- FAIL: TestBackends (3.50s)\n" +
	"    \x16--- FAIL: TestBackends/fentry (2.50s)\n" +
	"    \x16--- SKIP: TestBackends/kprobe (1.00s)\n" +
	"\x16=== RUN   TestCommand\n"

func TestTheConsoleTellsHowEachTestEnded(t *testing.T) {
	got, err := tests([]byte(console))
	if err != nil {
		t.Fatal(err)
	}
	for i := range got {
		got[i].Output = "" // for people
	}
	want := []Test{
		{Name: "TestBackends/fentry", Action: "fail", Took: 2500 * time.Millisecond},
		{Name: "TestBackends/kprobe", Action: "skip", Took: time.Second},
		{Name: "TestCommand"}, // the machine died
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("the tests are %+v, want %+v", got, want)
	}
}

func TestParse(t *testing.T) {
	for _, c := range []struct {
		list string
		want []Machine
	}{
		{"all", Machines},
		{"6.12-arm64 sid-amd64", []Machine{{"6.12", "arm64"}, {"sid", "amd64"}}},
	} {
		got, err := Parse(c.list)
		if err != nil || !reflect.DeepEqual(got, c.want) {
			t.Errorf("%q names %v, %v; want %v", c.list, got, err, c.want)
		}
	}
	if _, err := Parse("6.12-riscv64"); err == nil {
		t.Error("a machine that is not in the matrix was found")
	}
}
