// The application that the tests deploy: an HTTP server whose behaviour is set by its environment
// and, while it runs, by requests under /control. Standard library only.
package main

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// health is the status that /health answers; 0 means that it never answers.
var health atomic.Int64

func main() {
	log.SetFlags(log.Ldate | log.Ltime | log.Lmicroseconds | log.LUTC)
	if len(os.Args) > 1 && os.Args[1] == "work" {
		go work()
		waitForTheEnd(&http.Server{})
	}
	if len(os.Args) == 3 && os.Args[1] == "ask" {
		ask(os.Args[2])
		return
	}
	switch start := os.Getenv("START"); {
	case start == "crash":
		log.Print("cannot find the configuration")
		log.Print("giving up")
		os.Exit(3)
	case strings.HasPrefix(start, "health="):
		health.Store(int64(number(strings.TrimPrefix(start, "health="))))
	case start == "slow":
		time.Sleep(time.Duration(number(os.Getenv("SLOW_MS"))) * time.Millisecond)
		health.Store(200)
	case start == "deaf":
		select {}
	default:
		health.Store(200)
	}
	server := &http.Server{Addr: ":" + os.Getenv("PORT"), Handler: handlers()}
	listener, err := net.Listen("tcp", server.Addr)
	if err != nil {
		log.Fatal(err)
	}
	log.Printf("listening on %s", server.Addr)
	go func() { _ = server.Serve(listener) }()
	waitForTheEnd(server)
}

// work is what the server does instead of serving when it is a worker.
func work() {
	for number := 1; ; number++ {
		log.Printf("working on %d", number)
		time.Sleep(time.Second)
	}
}

// ask makes one request and ends, as a command on a schedule does. The header shows its environment.
func ask(url string) {
	request, err := http.NewRequest(http.MethodGet, url, nil)
	if err != nil {
		log.Fatal(err)
	}
	request.Header.Set("X-Greeting", os.Getenv("GREETING"))
	client := http.Client{Timeout: 10 * time.Second}
	answer, err := client.Do(request)
	if err != nil {
		log.Fatal(err)
	}
	answer.Body.Close()
	log.Printf("answered %d", answer.StatusCode)
}

// collected is what /collect was asked with so far.
var (
	collecting sync.Mutex
	collected  = []map[string]any{}
)

func collect(_ http.ResponseWriter, r *http.Request) {
	collecting.Lock()
	defer collecting.Unlock()
	collected = append(collected, map[string]any{"method": r.Method, "path": r.URL.Path, "headers": r.Header})
}

func answerCollected(w http.ResponseWriter, _ *http.Request) {
	collecting.Lock()
	defer collecting.Unlock()
	writeJSON(w, collected)
}

// waitForTheEnd does on SIGTERM what ON_SIGTERM says: exit at once (the default), drain, ignore, or
// linger for so many seconds.
func waitForTheEnd(server *http.Server) {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM)
	for range signals {
		log.Print("SIGTERM")
		switch end := os.Getenv("ON_SIGTERM"); {
		case end == "ignore":
		case strings.HasPrefix(end, "linger="):
			time.Sleep(time.Duration(number(strings.TrimPrefix(end, "linger="))) * time.Second)
			log.Print("ended by itself")
			os.Exit(0)
		case end == "drain":
			ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
			_ = server.Shutdown(ctx)
			cancel()
			os.Exit(0)
		default:
			os.Exit(0)
		}
	}
}

func handlers() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/health", answerHealth)
	mux.HandleFunc("/alive", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "alive") })
	mux.HandleFunc("/control/health", func(_ http.ResponseWriter, r *http.Request) {
		health.Store(int64(number(r.URL.Query().Get("status"))))
	})
	mux.HandleFunc("/exit", func(w http.ResponseWriter, r *http.Request) {
		code := number(r.URL.Query().Get("code"))
		log.Printf("exiting with %d", code)
		fmt.Fprintln(w, "bye")
		go func() { time.Sleep(50 * time.Millisecond); os.Exit(code) }()
	})
	mux.HandleFunc("/env", func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, environment()) })
	mux.HandleFunc("/arguments", func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, os.Args[1:]) })
	mux.HandleFunc("/control/burn", burn)
	mux.HandleFunc("/file", answerFile)
	mux.HandleFunc("/say", say)
	mux.HandleFunc("/fetch", fetch)
	mux.HandleFunc("/collect/", collect)
	mux.HandleFunc("/collected", answerCollected)
	mux.HandleFunc("/broken", func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "out of order", http.StatusInternalServerError)
	})
	mux.HandleFunc("/sleep", func(w http.ResponseWriter, r *http.Request) {
		time.Sleep(time.Duration(number(r.URL.Query().Get("ms"))) * time.Millisecond)
		fmt.Fprintln(w, "slept")
	})
	mux.HandleFunc("/request", func(w http.ResponseWriter, r *http.Request) {
		writeJSON(w, map[string]any{"host": r.Host, "tls": r.TLS != nil, "proto": r.Proto, "headers": r.Header, "path": r.URL.Path, "query": r.URL.RawQuery})
	})
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		host, _ := os.Hostname()
		writeJSON(w, map[string]any{"app": os.Getenv("HOPS_APP"), "appling": os.Getenv("HOPS_APPLING"), "env": os.Getenv("HOPS_ENV"), "sha": os.Getenv("HOPS_GIT_SHA"), "pod": host, "message": message(), "path": r.URL.Path})
	})
	return mux
}

func answerHealth(w http.ResponseWriter, r *http.Request) {
	status := int(health.Load())
	if r.Header.Get("User-Agent") != "" && strings.HasPrefix(r.Header.Get("User-Agent"), "kube-probe") && os.Getenv("LOG_PROBES") != "" {
		log.Printf("probe %d", status)
	}
	if status == 0 {
		<-r.Context().Done()
		return
	}
	if status == http.StatusFound {
		w.Header().Set("Location", "/alive")
	}
	w.WriteHeader(status)
}

// burn uses so many percent of a processor for so many seconds, and answers at once.
func burn(_ http.ResponseWriter, r *http.Request) {
	percent, seconds := number(r.URL.Query().Get("percent")), number(r.URL.Query().Get("seconds"))
	end := time.Now().Add(time.Duration(seconds) * time.Second)
	go func() {
		for time.Now().Before(end) {
			for busy := time.Now().Add(time.Duration(percent) * time.Millisecond); time.Now().Before(busy); {
			}
			time.Sleep(time.Duration(100-percent) * time.Millisecond)
		}
	}()
}

// message is the file that tests change from commit to commit.
func message() string {
	text, _ := os.ReadFile("/message")
	return strings.TrimSpace(string(text))
}

func answerFile(w http.ResponseWriter, r *http.Request) {
	text, err := os.ReadFile(r.URL.Query().Get("path"))
	if err != nil {
		http.Error(w, err.Error(), http.StatusNotFound)
		return
	}
	_, _ = w.Write(text)
}

// fetch asks another address from inside the cluster, as one appling asks another.
func fetch(w http.ResponseWriter, r *http.Request) {
	client := http.Client{Timeout: 5 * time.Second}
	answer, err := client.Get(r.URL.Query().Get("url"))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	defer answer.Body.Close()
	w.WriteHeader(answer.StatusCode)
	_, _ = io.Copy(w, answer.Body)
}

func environment() map[string]string {
	variables := map[string]string{}
	for _, entry := range os.Environ() {
		name, value, _ := strings.Cut(entry, "=")
		variables[name] = value
	}
	return variables
}

func writeJSON(w http.ResponseWriter, value any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(value)
}

func number(text string) int {
	value, _ := strconv.Atoi(text)
	return value
}

// say writes a text into the log: as it is, in base64 behind other words, and as it stands in a URL.
func say(w http.ResponseWriter, r *http.Request) {
	text := r.URL.Query().Get("text")
	fmt.Printf("said: %s\n", text)
	fmt.Printf("said in base64: %s\n", base64.StdEncoding.EncodeToString([]byte("user:"+text)))
	fmt.Printf("said in a URL: %s\n", url.QueryEscape(text))
	fmt.Fprintln(w, "said")
}
