// Package report turns a stream of waits into a table of numbers: a [Builder]
// is a [wait.Sink] that adds each wait to a group, and a [Report] is what the
// groups say when somebody asks.
//
// # Stages
//
// Waits are explained, then shown to findings, then filtered, then grouped. So
// what a filter leaves out is still evidence for the causes of other waits and
// for findings.
//
// They are added up by windows of time ([Options.Window]). A window is sealed
// when the next one begins or somebody asks for a report, and does not change
// any more. Reports are made of sealed windows, so that no wait has to be held
// up while one is built. Windows together give exactly what a single one
// would give: groups and notes have the same numbers in all of them.
//
// # What is counted
//
// A group keeps several views of its finished waits. JSON and CSV show all of them,
// with their idle time and parts of their own. People are shown awaited time of the
// program's own waits, in which what libraries waited for on their behalf is in the
// part in which they did ([Row.Shown]); the waits of libraries themselves are left
// out then ([Table.Libraries]). Awaited means: a wait's idle part, in
// which no reply was pending, is subtracted from the part in which it passed
// (network; blocked or unsplit where network was not measured). A wait that was
// idle until its data came still counts from that moment: the client that sent
// the request waits for it. A wait that was entirely idle and for which no data
// came (closed, interrupted, timed out) was awaited by nobody and is left out.
//
// Open waits have an age instead of a total and are counted apart. A sample
// counts with its weight. A wait that began before the
// recording has a total that is a lower bound: it is in the sums and not in
// the percentiles.
//
// # Bounds
//
// Memory grows with the number of groups, not of waits: at most
// [Options.MaxGroups] groups, the rest in one more group, each
// with up to eight sketches of at most 13 KiB. Percentiles have a relative
// accuracy of 1 %; sums, counts and maxima are exact.
package report
