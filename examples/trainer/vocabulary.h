#ifndef TRAINER_VOCABULARY_H
#define TRAINER_VOCABULARY_H

#include "training.h"

/*
 * After the supervised phase: log-probabilities of the held-out tokens, where each rank has the logits of its part of
 * the vocabulary alone. Fails unless their bits are those of whole rows.
 */
int vocabulary_parallel(struct training *training, struct failure *failure);

#endif
