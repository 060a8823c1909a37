# SPDX-License-Identifier: MIT
"""The continual-learning method in PyTorch, written from its description (losses, stores, gate), not
from the C code."""
import copy
import math

import torch
import torch.nn.functional as F

import networks


class Method:
    """One student, an optional frozen teacher, one optimizer."""

    def __init__(self, student, teacher, method, alpha=0.5, temperature=20.0, n_stores=5,
                 representation='scalar', batch_norm='default', optimizer='sgd', lr=0.05,
                 momentum=0.1, decay=0.0, clip=0.0):
        self.student, self.teacher, self.method = student, teacher, method
        self.alpha, self.temperature, self.k = alpha, temperature, n_stores
        self.representation, self.clip = representation, clip
        frozen = batch_norm == 'frozen' or (batch_norm == 'default' and method == 'CoReD' and teacher)
        student.train(not frozen)
        if teacher:
            teacher.eval()
            for p in teacher.parameters():
                p.requires_grad_(False)
        if optimizer == 'sgd':
            self.optimizer = torch.optim.SGD(student.parameters(), lr, momentum, weight_decay=decay)
        else:
            self.optimizer = torch.optim.AdamW(student.parameters(), lr, weight_decay=decay)
        self.sums, self.counts = {}, {}
        self.margin = math.inf  # how near to an edge of the stores a confidence came

    def store(self, logits, label):
        """(k, c) of one sample, or None: confidence of the true class in (0.5, 1], K equal bins."""
        p = torch.softmax(logits.double(), 0)[label].item()
        self.margin = min(self.margin, min(abs(p - (0.5 + 0.5 * k / self.k)) for k in range(self.k)))
        for k in range(self.k):
            if 0.5 + 0.5 * k / self.k < p <= 0.5 + 0.5 * (k + 1) / self.k:
                return k, int(label)
        return None

    def stores(self, logits, features, labels):
        """Lists of pooled features per (k, c)."""
        pooled = F.max_pool2d(features, features.shape[2:]).flatten(1)
        lists = {}
        for i in range(len(labels)):
            pair = self.store(logits[i].detach(), labels[i])
            if pair is not None:
                lists.setdefault(pair, []).append(pooled[i])
        return lists

    def add_representation(self, images, labels):
        with torch.no_grad():
            features = self.teacher.features(images)
            logits = networks.logits_of(self.teacher, features)
        for pair, items in self.stores(logits, features, labels).items():
            self.sums[pair] = self.sums.get(pair, 0) + torch.stack(items).double().sum(0)
            self.counts[pair] = self.counts.get(pair, 0) + len(items)

    def distillation(self, zs, zt, labels):
        t = self.temperature
        log_s, log_t = F.log_softmax(zs / t, 1), F.log_softmax(zt / t, 1)
        divergence = (log_t.exp() * (log_t - log_s)).sum(1).mean()
        return self.alpha * t * t * divergence + (1 - self.alpha) * F.cross_entropy(zs, labels)

    def representation_loss(self, lists):
        total, pairs = torch.zeros((), dtype=torch.float64), 0
        for pair, items in lists.items():
            if pair not in self.counts:
                continue
            mine = torch.stack(items).double().mean(0)
            teachers = self.sums[pair] / self.counts[pair]
            if self.representation == 'scalar':
                total = total + (mine.mean() - teachers.mean()) ** 2
            else:
                total = total + ((mine - teachers) ** 2).mean()
            pairs += 1
        return total, pairs

    def weight_losses(self, classifier):
        """L_SP and L_CLS; `classifier` says by name what belongs to the head."""
        theirs = dict(self.teacher.named_parameters())
        start, head = 0.0, 0.0
        for name, w in self.student.named_parameters():
            if classifier(name):
                head = head + 0.5 * (w.double() ** 2).sum()
            else:
                start = start + 0.5 * ((w.double() - theirs[name].double()) ** 2).sum()
        return start, head

    def losses(self, images, labels, classifier):
        features = self.student.features(images)
        zs = networks.logits_of(self.student, features)
        out = dict(student=F.cross_entropy(zs, labels), distillation=0.0, representation=0.0,
                   starting_point=0.0, classifier=0.0, gate=0.0, teacher=0.0, pairs=0)
        out['total'] = out['student']
        counts = {}
        if self.teacher:
            with torch.no_grad():
                zt = networks.logits_of(self.teacher, self.teacher.features(images))
                out['teacher'] = F.cross_entropy(zt, labels)
            if self.method in ('KD', 'CoReD'):
                out['distillation'] = self.distillation(zs, zt, labels)
                out['total'] = out['total'] + out['distillation']
            if self.method == 'CoReD':
                lists = self.stores(zs, features, labels)
                counts = {pair: len(items) for pair, items in lists.items()}
                out['representation'], out['pairs'] = self.representation_loss(lists)
                out['total'] = out['total'] + out['representation']
            if self.method == 'TG':
                out['gate'] = torch.sigmoid(-out['teacher'])
                out['starting_point'], out['classifier'] = self.weight_losses(classifier)
                out['total'] = out['total'] + out['gate'] * (out['starting_point'] +
                                                             out['classifier'])
        return out, counts

    def backward(self, images, labels, classifier):
        """Loss terms, counts of the student's stores, gradients before clipping."""
        self.optimizer.zero_grad()
        out, counts = self.losses(images, labels, classifier)
        out['total'].backward()
        gradients = {n: p.grad.clone() for n, p in self.student.named_parameters()}
        return {k: float(v) for k, v in out.items()}, counts, gradients

    def update(self, gradients):
        """One step of the optimizer with these gradients, clipped to their norm (PyTorch's own clipping adds
        1e-6 to it)."""
        norm = torch.sqrt(sum((g ** 2).sum() for g in gradients.values()))
        scale = min(1.0, self.clip / float(norm)) if self.clip else 1.0
        for name, p in self.student.named_parameters():
            p.grad = gradients[name] * scale
        self.optimizer.step()


def twin(model):
    return copy.deepcopy(model)
