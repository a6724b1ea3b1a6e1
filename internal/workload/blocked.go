package workload

import (
	"context"
	"sync"
	"time"
)

// What keeps the goroutines of mode all waiting, and for how long.
const (
	parcelTime = 5 * time.Millisecond  // until the next parcel comes
	entryTime  = 3 * time.Millisecond  // for which the ledger is locked
	retryTime  = 25 * time.Millisecond // between two attempts
	alarmTime  = 10 * time.Millisecond // between two alarms
	countTime  = 8 * time.Millisecond  // for one shelf
)

// packParcels receives from a channel.
func packParcels(ctx context.Context, _ *peers) error {
	parcels := make(chan int)
	var sending group
	defer sending.Wait()
	sending.Go(func() {
		defer close(parcels)
		for n := 0; pause(ctx, parcelTime); n++ {
			parcels <- n
		}
	})
	for open := true; open; {
		open = packParcel(parcels)
	}
	return nil
}

func packParcel(parcels <-chan int) (open bool) {
	_, open = <-parcels
	return open
}

// ledger is locked while an entry is written.
type ledger struct {
	mutex sync.Mutex
}

// keepLedger has two bookkeepers for one ledger.
func keepLedger(ctx context.Context, _ *peers) error {
	var book ledger
	return crew(ctx, 2, func(ctx context.Context, _ int) error {
		for ctx.Err() == nil {
			book.Enter()
		}
		return nil
	})
}

// Enter writes an entry and keeps the lock meanwhile.
func (l *ledger) Enter() {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	time.Sleep(entryTime)
}

// retryLater sleeps between attempts that never come to anything.
func retryLater(ctx context.Context, _ *peers) error {
	for ctx.Err() == nil {
		time.Sleep(retryTime)
	}
	return nil
}

// watchAlarms selects from two sources, of which one is silent.
func watchAlarms(ctx context.Context, _ *peers) error {
	doors := time.NewTicker(alarmTime)
	defer doors.Stop()
	fire := make(chan struct{})
	for ctx.Err() == nil {
		watchAlarm(doors.C, fire)
	}
	return nil
}

func watchAlarm(doors <-chan time.Time, fire <-chan struct{}) {
	select {
	case <-doors:
	case <-fire:
	}
}

// takeInventory has several shelves counted and waits for all.
func takeInventory(ctx context.Context, _ *peers) error {
	for ctx.Err() == nil {
		countShelves()
	}
	return nil
}

func countShelves() {
	var counting group
	for shelf := 0; shelf < 3; shelf++ {
		counting.Go(func() { time.Sleep(countTime) })
	}
	counting.Wait()
}
