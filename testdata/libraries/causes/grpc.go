package main

import (
	"context"
	"errors"
	"io"
	"net"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
)

// callTime is how long the server thinks before each answer.
const callTime = 5 * time.Millisecond

// answers is how many come in one stream.
const answers = 4

// The methods of the service.
const (
	unaryMethod  = "/shop.Stock/Count"
	streamMethod = "/shop.Stock/Watch"
)

// plain is a codec of messages that are bytes already, as *[]byte.
type plain struct{}

func (plain) Name() string                        { return "plain" }
func (plain) Marshal(message any) ([]byte, error) { return *message.(*[]byte), nil }
func (plain) Unmarshal(data []byte, message any) error {
	*message.(*[]byte) = append([]byte(nil), data...)
	return nil
}

var stock = grpc.ServiceDesc{
	ServiceName: "shop.Stock",
	HandlerType: (*any)(nil),
	Methods: []grpc.MethodDesc{{MethodName: "Count", Handler: func(_ any, _ context.Context, decode func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
		message := new([]byte)
		if err := decode(message); err != nil {
			return nil, err
		}
		time.Sleep(callTime)
		return message, nil
	}}},
	Streams: []grpc.StreamDesc{{StreamName: "Watch", ServerStreams: true, Handler: func(_ any, stream grpc.ServerStream) error {
		message := new([]byte)
		if err := stream.RecvMsg(message); err != nil {
			return err
		}
		for range answers {
			time.Sleep(callTime)
			if err := stream.SendMsg(message); err != nil {
				return err
			}
		}
		return nil
	}}},
}

func serveRPC(listener net.Listener) {
	server := grpc.NewServer(grpc.ForceServerCodec(plain{}))
	server.RegisterService(&stock, nil)
	server.Serve(listener)
}

func (p *peers) dialRPC() (*grpc.ClientConn, error) {
	return grpc.NewClient(p.addrs[rpc], grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.ForceCodec(plain{})))
}

// askByUnaryCalls has four goroutines call over one connection.
func askByUnaryCalls(p *peers, measured *clock) error {
	conn, err := p.dialRPC()
	if err != nil {
		return err
	}
	defer conn.Close()
	return together(4, func(int) error {
		for range 200 {
			if err := countStock(conn, measured); err != nil {
				return err
			}
		}
		return nil
	})
}

func countStock(conn *grpc.ClientConn, measured *clock) error {
	defer measured.since(time.Now(), "countStock_rpc")
	message := []byte("chairs")
	return conn.Invoke(context.Background(), unaryMethod, &message, &message)
}

// askByStreams has three goroutines read several answers from each of their streams.
func askByStreams(p *peers, measured *clock) error {
	conn, err := p.dialRPC()
	if err != nil {
		return err
	}
	defer conn.Close()
	return together(3, func(int) error {
		for range 60 {
			if err := watchStock(conn, measured); err != nil {
				return err
			}
		}
		return nil
	})
}

func watchStock(conn *grpc.ClientConn, measured *clock) error {
	defer measured.since(time.Now(), "watchStock_rpc")
	stream, err := conn.NewStream(context.Background(), &stock.Streams[0], streamMethod)
	if err != nil {
		return err
	}
	message := []byte("chairs")
	if err := errors.Join(stream.SendMsg(&message), stream.CloseSend()); err != nil {
		return err
	}
	for {
		if err := stream.RecvMsg(&message); err != nil {
			if err == io.EOF {
				return nil
			}
			return err
		}
	}
}
