package workload

import (
	"context"
	"fmt"
	"os"
	"time"
)

// logEvery is the time between two lines of the log.
const logEvery = 20 * time.Millisecond

// followLog reads from a pipe what another goroutine writes to it.
func followLog(ctx context.Context, _ *peers) error {
	reader, writer, err := os.Pipe()
	if err != nil {
		return fmt.Errorf("making a pipe: %w", err)
	}
	defer reader.Close()
	var writing group
	defer writing.Wait()
	writing.Go(func() {
		defer writer.Close()
		for pause(ctx, logEvery) {
			if _, err := writer.WriteString("sold a chair\n"); err != nil {
				return
			}
		}
	})
	for ctx.Err() == nil {
		if err := readLogLine(reader); err != nil {
			return err
		}
	}
	return nil
}

func readLogLine(reader *os.File) error {
	_, err := reader.Read(make([]byte, 64))
	return err
}
