#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "comm.h"

/* MPI's own failures end all ranks with its message, as it does by default. */
void comm_start(int *argc, char ***argv) {
  int given;
  MPI_Init_thread(argc, argv, MPI_THREAD_FUNNELED, &given);
  if (given < MPI_THREAD_FUNNELED) {
    fprintf(stderr, "trainer: this MPI cannot run beside threads\n");
    MPI_Abort(MPI_COMM_WORLD, 2);
  }
}

int comm_rank(void) {
  int rank;
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  return rank;
}

int comm_size(void) {
  int size;
  MPI_Comm_size(MPI_COMM_WORLD, &size);
  return size;
}

int comm_owner(size_t shard) { return (int)(shard % (size_t)comm_size()); }

void comm_share_gradient(parameters *grad, int owner) {
  MPI_Bcast(grad, sizeof *grad / sizeof(float), MPI_FLOAT, owner, MPI_COMM_WORLD);
}

void comm_gather(const void *own, void *all, size_t bytes) {
  MPI_Allgather(own, (int)bytes, MPI_BYTE, all, (int)bytes, MPI_BYTE, MPI_COMM_WORLD);
}

void comm_agree(int failed, const char *message) {
  char text[512] = {0};
  int rank = comm_rank(), own = failed ? rank : comm_size(), first;
  MPI_Allreduce(&own, &first, 1, MPI_INT, MPI_MIN, MPI_COMM_WORLD);
  if (first == comm_size()) return;
  if (rank == first) strncpy(text, message, sizeof text - 1);
  MPI_Bcast(text, sizeof text, MPI_CHAR, first, MPI_COMM_WORLD);
  fprintf(stderr, "trainer: rank %d ends, for rank %d found: %s\n", rank, first, text);
  MPI_Finalize();
  exit(2);
}

void comm_stop(void) { MPI_Finalize(); }
