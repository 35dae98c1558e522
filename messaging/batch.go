package messaging

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"strconv"
	"sync"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/consume"
	"github.com/carillon-go/carillon/internal/ids"
)

// transact handles some deliveries of a batch in one transaction: those that were not handled before, and whose keys are not parked.
// failed is the index of the one whose handler failed, -1 when the transaction did. Nothing has happened then.
func (w *worker) transact(ctx context.Context, batch []*delivery, chosen []int) (failed int, err error) {
	if w.engine.observer == nil {
		return w.transaction(ctx, nil, batch, chosen)
	}
	ctx, whole := w.beginBatch(ctx, batch, chosen)
	defer func() { whole.End(err) }()
	return w.transaction(ctx, whole, batch, chosen)
}

// transaction is transact under the eyes of an observer, whose observation of the whole is nil where there is none.
func (w *worker) transaction(ctx context.Context, whole carillon.Observation, batch []*delivery, chosen []int) (failed int, err error) {
	failed = -1
	behind := make([]int, 0, len(chosen))
	err = w.engine.store.ReadModels().Update(ctx, w.ref, carillon.Flushed, func(tx carillon.ReadModelTx) error {
		failed, behind = -1, behind[:0]
		if foreseeing, ok := tx.(carillon.ForeseeingTx); ok {
			foreseeing.Foresee(parkedRow)
		}
		first, err := w.receive(tx, batch, chosen, 0)
		if err != nil {
			return err
		}
		parked, err := parkedKeys(tx)
		if err != nil {
			return err
		}
		var out outgoing
		for n, i := range chosen {
			if !first[n] {
				continue
			}
			if parked > 0 && isParked(tx, batch[i].Message.Key) {
				behind = append(behind, i)
				continue
			}
			if err := w.invokeWithin(ctx, whole, len(chosen) == 1, tx, batch[i].message(), &out); err != nil {
				failed = n
				return err
			}
		}
		if len(behind) > 0 {
			if err := w.parkBehind(tx, batch, behind); err != nil {
				return err
			}
		}
		return out.write(ctx, w.engine, tx)
	})
	return failed, err
}

// receive notes deliveries as handled, and reports which of them were not before.
func (w *worker) receive(tx carillon.ReadModelTx, batch []*delivery, chosen []int, revision int) ([]bool, error) {
	inbox, ok := tx.(carillon.InboxTx)
	if !ok {
		return nil, fmt.Errorf("the store does not remember messages: %w", carillon.ErrUnsupported)
	}
	receipts := make([]carillon.Receipt, len(chosen))
	for n, i := range chosen {
		receipts[n] = carillon.Receipt{ID: identity(&batch[i].Message), Revision: revision}
	}
	return inbox.Receive(receipts)
}

// invoke calls the handler of a message. What that publishes goes on from a trace.
func (w *worker) invoke(ctx context.Context, store carillon.ReadModelTx, m *carillon.Message, trace carillon.Trace, out *outgoing) (err error) {
	h, value, ok, err := w.find(m)
	if err != nil || !ok || h.inside == nil {
		return err
	}
	defer func() {
		if cause := recover(); cause != nil {
			err = &consume.PanicError{Value: cause, Stack: string(debug.Stack())}
		}
	}()
	if err := ctx.Err(); err != nil {
		return err
	}
	tx := &Tx{
		engine: w.engine, message: m, trace: trace, store: store, codec: w.engine.codec, consumer: w.name, most: w.engine.maxPayload(), outgoing: out,
		deposit: func(topic *Topic, m *carillon.Message) error { return topic.deposit(ctx, m) },
	}
	return h.inside(ctx, tx, value)
}

// sendCommands sends the commands that messages are answered with, side by side, and returns what is left for the transaction: messages
// without commands, and those whose keys are parked. The id of a command keeps it from being carried out twice.
func (w *worker) sendCommands(ctx context.Context, batch []*delivery, left []int, errs []error) []int {
	var commands []int
	for _, i := range left {
		if w.isOutside(&batch[i].Message) {
			commands = append(commands, i)
		}
	}
	if len(commands) == 0 {
		return left
	}
	parked, err := w.parkedOf(ctx, batch, commands)
	if err != nil {
		for _, i := range commands {
			errs[i] = err
		}
	} else {
		var sending sync.WaitGroup
		for _, i := range commands {
			if parked[batch[i].Message.Key] {
				continue // it is parked behind the others, in the transaction
			}
			sending.Go(func() { errs[i] = w.command(ctx, batch[i].message()) })
		}
		sending.Wait()
	}
	for _, i := range commands {
		if err == nil && errs[i] != nil {
			errs[i] = w.failed(ctx, batch[i], errs[i])
		}
	}
	return slices.DeleteFunc(left, func(i int) bool {
		return w.isOutside(&batch[i].Message) && (err != nil || !parked[batch[i].Message.Key])
	})
}

// command sends the command a message is answered with. A rejection is for good.
func (w *worker) command(ctx context.Context, m *carillon.Message) (err error) {
	ctx, m, end := w.beginCommand(ctx, m)
	defer func() { end(err) }()
	defer func() {
		if cause := recover(); cause != nil {
			err = &consume.PanicError{Value: cause, Stack: string(debug.Stack())}
		}
	}()
	h, value, ok, err := w.find(m)
	if err != nil || !ok {
		return err
	}
	if h.call != nil {
		return h.call(ctx, m, value)
	}
	command := h.command(value)
	if command == nil {
		return nil
	}
	err = send(ctx, w.engine.bus, command, ids.Derive(w.name+"/"+identity(m), 0), m)
	if errors.Is(err, carillon.ErrRejected) || errors.Is(err, carillon.ErrUnknownType) || errors.Is(err, carillon.ErrInvalid) {
		return consume.Permanent(err)
	}
	return err
}

// parkedKeys is how many keys of the consumer are parked.
func parkedKeys(tx carillon.ReadModelTx) (int, error) { return number(tx, parkedRow) }

// isParked reports whether a key is parked.
func isParked(tx carillon.ReadModelTx, key string) bool {
	letters, err := lettersOf(tx, key)
	return key != "" && err == nil && letters > 0
}

// lettersOf is how many letters a key has.
func lettersOf(tx carillon.ReadModelTx, key string) (int, error) { return number(tx, keyRow+key) }

// number reads a row that holds a number; 0 where there is none.
func number(tx carillon.ReadModelTx, key string) (int, error) {
	row, err := tx.Row(key)
	if errors.Is(err, carillon.ErrNotFound) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(string(row.Value))
}
