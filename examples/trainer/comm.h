/* What several processes do together; comm_none.c is for one, comm_mpi.c for many. */
#ifndef COMM_H
#define COMM_H

#include "model.h"

void comm_start(int *argc, char ***argv);
int comm_rank(void);
int comm_size(void);
/* Which rank computes a shard. */
int comm_owner(size_t shard);
/* Gives every rank the gradient that its owner has. */
void comm_share_gradient(parameters *grad, int owner);
/* Every rank's bytes, one after the other, on every rank: preflane's states are plain bytes. */
void comm_gather(const void *own, void *all, size_t bytes);
/* If any rank says failed, ends all of them, each with the message of the first that did. */
void comm_agree(int failed, const char *message);
void comm_stop(void);

#endif
