#include <libpq-fe.h>
#include <stddef.h>

typedef struct { size_t length; char text[]; } Body;

// Runs a statement: with $1 and $2 when there is a body, and again when the connection was lost, so it has
// to bear being run twice. NULL when there was no connection until the deadline.
PGresult *query(const char *sql, const char *id, const Body *body);

void close_pool(void);
