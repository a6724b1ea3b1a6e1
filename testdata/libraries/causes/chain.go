package main

import "time"

// askAlongAChain has five goroutines ask each the next one, of which the last asks
// the database.
func askAlongAChain(p *peers, measured *clock) error {
	conn, err := p.dialDB()
	if err != nil {
		return err
	}
	defer conn.Close()
	first := last(func() error { return query(conn, 5*time.Millisecond) })
	for range 4 {
		first = link(first)
	}
	defer close(first)
	for range 200 {
		if err := ask(first, measured); err != nil {
			return err
		}
	}
	return nil
}

func ask(next chan<- job, measured *clock) error {
	defer measured.since(time.Now(), "ask_db")
	return handOn(next)
}

func handOn(next chan<- job) error {
	j := job{done: make(chan error)}
	next <- j
	return <-j.done
}

// link hands on what it is asked until nobody can ask any more.
func link(next chan<- job) chan<- job {
	asked := make(chan job)
	go func() {
		defer close(next)
		for j := range asked {
			j.done <- handOn(next)
		}
	}()
	return asked
}

// last does what it is asked.
func last(do func() error) chan<- job {
	asked := make(chan job)
	go func() {
		for j := range asked {
			j.done <- do()
		}
	}()
	return asked
}
