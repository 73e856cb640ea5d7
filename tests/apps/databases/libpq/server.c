// Keeps notes in Postgres, with libpq. ../README.md says what it answers.

#include "database.h"

#include <microhttpd.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct MHD_Connection Client;

static atomic_bool migrated;

static void *migrate(void *unused) {
    while (!migrated) {
        // Several statements in one string are one transaction, at whose end the lock is released. Without
        // it two pods that start together could both find no table.
        PGresult *result = query("select pg_advisory_xact_lock(hashtext('notes'));"
            "create table if not exists notes (id bigserial primary key, text text not null)", NULL, NULL);
        migrated = PQresultStatus(result) == PGRES_COMMAND_OK;
        if (migrated) printf("migrated\n");
        else printf("cannot migrate yet: %s\n", PQresultErrorMessage(result));
        PQclear(result);
        if (!migrated) poll(NULL, 0, 1000); // after any error: the database itself may still be being made
    }
    return unused;
}

static enum MHD_Result answer(Client *client, int status, const char *type, const char *text) {
    struct MHD_Response *response = MHD_create_response_from_buffer(strlen(text), (char *)text, MHD_RESPMEM_MUST_COPY);
    MHD_add_response_header(response, "Content-Type", type);
    // The ingress must not begin a request on a connection that SIGTERM is about to close.
    MHD_add_response_header(response, "Connection", "close");
    enum MHD_Result queued = MHD_queue_response(client, status, response);
    MHD_destroy_response(response);
    return queued;
}

// With the result's first value, unless another text is given.
static enum MHD_Result answer_result(Client *client, int status, const char *type, PGresult *result, const char *text) {
    const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    enum MHD_Result queued =
        !result ? answer(client, 503, "text/plain", "no connection to the database")
        : state ? answer(client, strncmp(state, "22", 2) ? 500 : 400, "text/plain", PQresultErrorMessage(result))
                : answer(client, status, type, text ? text : PQgetvalue(result, 0, 0));
    PQclear(result);
    return queued;
}

static enum MHD_Result insert(Client *client, const Body *body) {
    // The number first: when the answer to the insert is lost, nobody knows whether it happened, and by its
    // number it can be repeated without a second note.
    PGresult *number = query("select nextval('notes_id_seq')", NULL, NULL);
    if (PQresultStatus(number) != PGRES_TUPLES_OK) return answer_result(client, 0, NULL, number, NULL);
    const char *id = PQgetvalue(number, 0, 0);
    PGresult *result = query("insert into notes (id, text) values ($1, $2) on conflict (id) do nothing", id, body);
    enum MHD_Result queued = answer_result(client, 201, "text/plain", result, id);
    PQclear(number);
    return queued;
}

static const struct { const char *path, *type, *sql; } gets[] = {
    {"/notes", "application/json", "select coalesce(json_agg(text order by id), '[]') from notes"},
    {"/select1", "text/plain", "select 1"},
    {"/whoami", "application/json", "select row_to_json(w) from "
        "(select current_user as user, session_user, current_database() as database) w"},
    {"/pid", "text/plain", "select pg_backend_pid()"},
};

// Called when the head is there, for each piece of the body, and at the end.
static enum MHD_Result handle(void *, Client *client, const char *path, const char *method, const char *,
                              const char *piece, size_t *size, void **state) {
    Body *body = *state;
    size_t length = body ? body->length + *size : 0;
    if (!body || *size) {
        if (!(body = *state = realloc(body, sizeof *body + length))) return MHD_NO;
        memcpy(body->text + length - *size, piece, *size);
        body->length = length;
        *size = 0;
        return MHD_YES;
    }
    bool get = !strcmp(method, "GET");
    if (get && migrated && !strcmp(path, "/health")) return answer(client, 200, "text/plain", "ok");
    if (!migrated) return answer(client, 503, "text/plain", "not migrated yet");
    if (!strcmp(method, "POST") && !strcmp(path, "/notes")) return insert(client, body);
    for (size_t i = 0; get && i < sizeof gets / sizeof *gets; i++)
        if (!strcmp(path, gets[i].path))
            return answer_result(client, 200, gets[i].type, query(gets[i].sql, NULL, NULL), NULL);
    return answer(client, 404, "text/plain", "not found");
}

static void forget(void *, Client *, void **state, enum MHD_RequestTerminationCode) { free(*state); }

int main(void) {
    const char *port = getenv("PORT");
    setlinebuf(stdout);
    // Blocked before there are threads, so that it reaches none of them: it is waited for below.
    sigset_t ends;
    sigemptyset(&ends);
    sigaddset(&ends, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &ends, NULL);
    pthread_t migrating;
    pthread_create(&migrating, NULL, migrate, NULL);
    struct MHD_Daemon *daemon = MHD_start_daemon(
        MHD_USE_THREAD_PER_CONNECTION | MHD_USE_INTERNAL_POLLING_THREAD, port ? atoi(port) : 3000, NULL, NULL,
        handle, NULL, MHD_OPTION_NOTIFY_COMPLETED, forget, NULL, MHD_OPTION_CONNECTION_TIMEOUT, 30, MHD_OPTION_END);
    if (!daemon) return perror("listen"), 1;
    int signal;
    sigwait(&ends, &signal);
    printf("SIGTERM\n");
    close(MHD_quiesce_daemon(daemon));
    while (MHD_get_daemon_info(daemon, MHD_DAEMON_INFO_CURRENT_CONNECTIONS)->num_connections) poll(NULL, 0, 20);
    MHD_stop_daemon(daemon);
    close_pool();
    printf("ended\n");
    return 0;
}
