package page_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

// patience is how long any one wait for the browser may take, in real time.
const patience = 30 * time.Second

// browser is a headless Chromium that is driven over the DevTools protocol, through a pair of pipes.
type browser struct {
	writing  sync.Mutex
	commands io.Writer

	mu      sync.Mutex
	last    int
	answers map[int]chan answer
	tabs    map[string]*tab
	ended   error
}

// answer is what the browser says: to a command, or by itself when it has a method.
type answer struct {
	ID        int             `json:"id"`
	SessionID string          `json:"sessionId"`
	Method    string          `json:"method"`
	Params    json.RawMessage `json:"params"`
	Result    json.RawMessage `json:"result"`
	Error     *struct {
		Message string `json:"message"`
	} `json:"error"`
}

// startBrowser starts a Chromium with a new profile; the test's end stops it.
func startBrowser(t *testing.T, program string) *browser {
	t.Helper()
	home := t.TempDir()
	fromUs, commands := pipe(t)
	answers, toUs := pipe(t)
	log := new(bytes.Buffer)
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	chromium := exec.CommandContext(ctx, program, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
		"--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-extensions",
		"--hide-scrollbars", "--lang=en-GB", "--user-data-dir="+filepath.Join(home, "profile"), "--remote-debugging-pipe")
	chromium.ExtraFiles = []*os.File{fromUs, toUs}
	chromium.Stdout, chromium.Stderr = log, log
	chromium.Env = append(os.Environ(), "HOME="+home)
	chromium.WaitDelay = patience
	if err := chromium.Start(); err != nil {
		cancel()
		t.Fatalf("start %s: %v", program, err)
	}
	for _, end := range []*os.File{fromUs, toUs} {
		if err := end.Close(); err != nil {
			t.Error(err)
		}
	}
	b := &browser{commands: commands, answers: map[int]chan answer{}, tabs: map[string]*tab{}}
	read := make(chan struct{})
	go func() {
		defer close(read)
		b.read(answers)
	}()
	t.Cleanup(func() {
		limit := time.AfterFunc(patience, cancel)
		defer limit.Stop()
		defer cancel()
		_, _ = b.send(ctx, "", "Browser.close", nil) // it may be gone before it answers
		_ = commands.Close()                         // the end of the commands ends it too
		<-read
		_ = chromium.Wait() // until the last of its processes has closed the log; how it ended is not what is tested
		if t.Failed() {
			t.Logf("the browser's log:\n%s", log)
		}
	})
	return b
}

func pipe(t *testing.T) (*os.File, *os.File) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	return r, w
}

// read hands on what the browser says, until it ends. Each message ends with a zero byte.
func (b *browser) read(from io.ReadCloser) {
	defer func() { _ = from.Close() }()
	reader := bufio.NewReader(from)
	for {
		line, err := reader.ReadBytes(0)
		if err != nil {
			b.mu.Lock()
			b.ended = fmt.Errorf("the browser ended: %w", err)
			for _, waiting := range b.answers {
				close(waiting)
			}
			b.answers = nil
			b.mu.Unlock()
			return
		}
		var a answer
		if err := json.Unmarshal(line[:len(line)-1], &a); err != nil {
			continue
		}
		b.mu.Lock()
		waiting, tab := b.answers[a.ID], b.tabs[a.SessionID]
		delete(b.answers, a.ID)
		b.mu.Unlock()
		switch {
		case a.Method != "" && tab != nil:
			tab.note(a)
		case waiting != nil:
			waiting <- a
		}
	}
}

// send sends a command, to a tab when session is not empty, and waits for its answer.
func (b *browser) send(ctx context.Context, session, method string, params any) (json.RawMessage, error) {
	b.mu.Lock()
	if b.ended != nil {
		b.mu.Unlock()
		return nil, b.ended
	}
	b.last++
	command := map[string]any{"id": b.last, "method": method}
	if params != nil {
		command["params"] = params
	}
	if session != "" {
		command["sessionId"] = session
	}
	waiting := make(chan answer, 1)
	b.answers[b.last] = waiting
	b.mu.Unlock()
	text, err := json.Marshal(command)
	if err == nil {
		b.writing.Lock()
		_, err = b.commands.Write(append(text, 0))
		b.writing.Unlock()
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", method, err)
	}
	select {
	case a, ok := <-waiting:
		switch {
		case !ok:
			return nil, fmt.Errorf("%s: the browser ended", method)
		case a.Error != nil:
			return nil, fmt.Errorf("%s: %s", method, a.Error.Message)
		}
		return a.Result, nil
	case <-ctx.Done():
		return nil, fmt.Errorf("%s: %w", method, ctx.Err())
	case <-time.After(patience):
		return nil, fmt.Errorf("%s: no answer in %v", method, patience)
	}
}

// tab is one page in the browser, with what it asked for and what it complained about.
type tab struct {
	t       *testing.T
	browser *browser
	session string

	mu         sync.Mutex
	requests   []string
	complaints []string
	spent      chan struct{}
}

// open opens an empty tab that closes with the test.
func (b *browser) open(t *testing.T) *tab {
	t.Helper()
	var target struct {
		ID string `json:"targetId"`
	}
	var attached struct {
		ID string `json:"sessionId"`
	}
	root := &tab{t: t, browser: b}
	root.do("Target.createTarget", map[string]any{"url": "about:blank"}, &target)
	root.do("Target.attachToTarget", map[string]any{"targetId": target.ID, "flatten": true}, &attached)
	p := &tab{t: t, browser: b, session: attached.ID, spent: make(chan struct{}, 1)}
	b.mu.Lock()
	b.tabs[p.session] = p
	b.mu.Unlock()
	for _, domain := range []string{"Page", "Runtime", "Log", "Network"} {
		p.do(domain+".enable", nil, nil)
	}
	t.Cleanup(func() {
		_, _ = b.send(context.WithoutCancel(t.Context()), "", "Target.closeTarget", map[string]any{"targetId": target.ID}) // it may be gone
	})
	return p
}

// do sends a command and decodes its result.
func (p *tab) do(method string, params, result any) {
	p.t.Helper()
	text, err := p.browser.send(p.t.Context(), p.session, method, params)
	if err == nil && result != nil {
		err = json.Unmarshal(text, result)
	}
	if err != nil {
		p.t.Fatal(err)
	}
}

// note keeps what a tab reports.
func (p *tab) note(a answer) {
	var event struct {
		Request struct {
			URL string `json:"url"`
		} `json:"request"`
		Type  string `json:"type"`
		Entry struct {
			Level string `json:"level"`
			Text  string `json:"text"`
			URL   string `json:"url"`
		} `json:"entry"`
	}
	if err := json.Unmarshal(a.Params, &event); err != nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	switch a.Method {
	case "Network.requestWillBeSent":
		p.requests = append(p.requests, event.Request.URL)
	case "Runtime.exceptionThrown":
		p.complaints = append(p.complaints, "exception: "+string(a.Params))
	case "Runtime.consoleAPICalled":
		p.complaints = append(p.complaints, "console."+event.Type+": "+string(a.Params))
	case "Log.entryAdded":
		p.complaints = append(p.complaints, event.Entry.Level+": "+event.Entry.Text+" "+event.Entry.URL)
	case "Emulation.virtualTimeBudgetExpired":
		select {
		case p.spent <- struct{}{}:
		default:
		}
	}
}

// take returns the requests and the complaints so far, and forgets the complaints.
func (p *tab) take() (requests, complaints []string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	complaints, p.complaints = p.complaints, nil
	return p.requests, complaints
}

// evaluate runs an expression in the page, waits for it when it is a promise, and decodes its value.
func (p *tab) evaluate(expression string, value any) {
	p.t.Helper()
	var result struct {
		Result struct {
			Value json.RawMessage `json:"value"`
		} `json:"result"`
		Exception *struct {
			Text      string          `json:"text"`
			Exception json.RawMessage `json:"exception"`
		} `json:"exceptionDetails"`
	}
	p.do("Runtime.evaluate", map[string]any{"expression": expression, "awaitPromise": true, "returnByValue": true}, &result)
	if e := result.Exception; e != nil {
		p.t.Fatalf("%s: %s %s", expression, e.Text, e.Exception)
	}
	if value == nil {
		return
	}
	if err := json.Unmarshal(result.Result.Value, value); err != nil {
		p.t.Fatalf("%s gave %q: %v", expression, result.Result.Value, err)
	}
}

// pass lets the page's own clock run for a while, which takes next to no real time. The clock waits for requests to be answered.
func (p *tab) pass(d time.Duration) {
	p.t.Helper()
	p.do("Emulation.setVirtualTimePolicy", map[string]any{
		"policy": "pauseIfNetworkFetchesPending", "budget": d.Milliseconds(), "maxVirtualTimeTaskStarvationCount": 100_000,
	}, nil)
	select {
	case <-p.spent:
	case <-time.After(patience):
		p.t.Fatalf("the page's clock did not run %v in %v", d, patience)
	}
}

// press presses a key.
func (p *tab) press(key string) {
	p.t.Helper()
	for _, kind := range []string{"keyDown", "keyUp"} {
		p.do("Input.dispatchKeyEvent", map[string]any{"type": kind, "key": key, "code": key}, nil)
	}
}
