package main

import (
	"time"
)

// job is for one of the workers, who says when it is done.
type job struct{ done chan error }

// queueForWorkers has six goroutines hand jobs to three workers.
func queueForWorkers(p *peers, measured *clock) error {
	jobs := make(chan job)
	var ended []chan error
	for range 3 {
		end := make(chan error, 1)
		ended = append(ended, end)
		go func() { end <- work(p, jobs) }()
	}
	end := time.Now().Add(1500 * time.Millisecond)
	err := together(6, func(int) error {
		for time.Now().Before(end) {
			if err := submit(jobs, measured); err != nil {
				return err
			}
		}
		return nil
	})
	close(jobs)
	for _, end := range ended {
		if failed := <-end; err == nil {
			err = failed
		}
	}
	return err
}

func submit(jobs chan<- job, measured *clock) error {
	defer measured.since(time.Now(), "submit_db")
	j := job{done: make(chan error, 1)}
	jobs <- j
	return <-j.done
}

// work asks the database for each job.
func work(p *peers, jobs <-chan job) error {
	conn, err := p.dialDB()
	if err != nil {
		return err
	}
	defer conn.Close()
	for j := range jobs {
		j.done <- query(conn, 4*time.Millisecond)
	}
	return nil
}
