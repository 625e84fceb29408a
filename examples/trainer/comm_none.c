#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "comm.h"

void comm_start(int *argc, char ***argv) { (void)argc, (void)argv; }
int comm_rank(void) { return 0; }
int comm_size(void) { return 1; }
int comm_owner(size_t shard) { return (void)shard, 0; }
void comm_share_gradient(parameters *grad, int owner) { (void)grad, (void)owner; }
void comm_gather(const void *own, void *all, size_t bytes) { memcpy(all, own, bytes); }
void comm_agree(int failed, const char *message) {
  if (!failed) return;
  fprintf(stderr, "trainer: %s\n", message);
  exit(2);
}
void comm_stop(void) {}
