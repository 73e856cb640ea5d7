// A small pool of libpq's connections, which replaces those that were lost.

#include "database.h"

#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

enum { CONNECTIONS = 4, DEADLINE = 10, PATIENCE = 5 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t returned = PTHREAD_COND_INITIALIZER;
static PGconn *pool[CONNECTIONS]; // NULL until it is needed
static int idle = CONNECTIONS;    // so many of them, the first ones

// What has no SQLSTATE does not come from the server, but is about the connection. Of what the server or a
// proxy says, that are the classes "connection exception" and "shutdown", and "too many connections".
static bool is_lost(const PGresult *result) {
    const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    if (!state) return PQresultStatus(result) == PGRES_FATAL_ERROR;
    return !strncmp(state, "08", 2) || !strncmp(state, "57P", 3) || !strcmp(state, "53300");
}

static bool connect_again(PGconn **conn) {
    // Where to and as whom stands in the environment. Without connect_timeout it could take minutes.
    if (*conn) PQreset(*conn);
    else *conn = PQconnectdb("connect_timeout=3");
    bool connected = PQstatus(*conn) == CONNECTION_OK;
    if (connected) printf("connected: the server's process %d\n", PQbackendPID(*conn));
    else printf("cannot connect: %s", PQerrorMessage(*conn));
    return connected;
}

// PQexec() waits without a limit. NULL when there was no answer in time.
static PGresult *answer(PGconn *conn, time_t end) {
    PGresult *last = NULL, *next;
    do {
        while (PQisBusy(conn)) {
            struct pollfd socket = {PQsocket(conn), POLLIN, 0};
            time_t left = end - time(NULL);
            if (left <= 0 || poll(&socket, 1, 1000 * left) <= 0) return PQclear(last), NULL;
            if (!PQconsumeInput(conn)) break;
        }
        if ((next = PQgetResult(conn))) PQclear(last), last = next;
    } while (next);
    return last;
}

PGresult *query(const char *sql, const char *id, const Body *body) {
    struct timespec end = {.tv_sec = time(NULL) + DEADLINE};
    pthread_mutex_lock(&lock);
    while (!idle && time(NULL) < end.tv_sec) pthread_cond_timedwait(&returned, &lock, &end);
    bool taken = idle > 0;
    PGconn *conn = taken ? pool[--idle] : NULL;
    pthread_mutex_unlock(&lock);
    if (!taken) return NULL;
    PGresult *result = NULL;
    bool connected = PQstatus(conn) == CONNECTION_OK;
    for (int pause = 100;; pause = pause < 500 ? 2 * pause : 1000) {
        if (connected || (connected = connect_again(&conn))) {
            const char *values[] = {id, body ? body->text : NULL};
            int lengths[] = {0, body ? body->length : 0}, formats[] = {0, 1}; // binary: it may hold a zero
            bool sent = body ? PQsendQueryParams(conn, sql, 2, NULL, values, lengths, formats, 0) : PQsendQuery(conn, sql);
            time_t soon = time(NULL) + PATIENCE;
            result = sent ? answer(conn, soon < end.tv_sec ? soon : end.tv_sec) : NULL;
            if (!is_lost(result)) break;
            printf("lost a connection: %s", result ? PQresultErrorMessage(result) : "no answer\n");
            PQclear(result);
            result = NULL;
            connected = false;
        }
        if (time(NULL) >= end.tv_sec) break;
        poll(NULL, 0, pause);
    }
    if (!connected) { // it may still get the answer to this query, which is not the next one's
        PQfinish(conn);
        conn = NULL;
    }
    pthread_mutex_lock(&lock);
    pool[idle++] = conn;
    pthread_cond_signal(&returned);
    pthread_mutex_unlock(&lock);
    return result;
}

void close_pool(void) {
    for (int i = 0; i < idle; i++) PQfinish(pool[i]);
}
