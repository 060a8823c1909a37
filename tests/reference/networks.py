# SPDX-License-Identifier: MIT
"""The networks in PyTorch, written from their papers and from the names of their published weights,
not from the C code: what the tests of this folder compare with."""
import math

import torch
import torch.nn as nn
import torch.nn.functional as F


# ---- Xception (Chollet 2017; the naming of the PyTorch port) ------------------------------------

class SeparableConv2d(nn.Module):
    def __init__(self, cin, cout):
        super().__init__()
        self.conv1 = nn.Conv2d(cin, cin, 3, 1, 1, groups=cin, bias=False)
        self.pointwise = nn.Conv2d(cin, cout, 1, bias=False)

    def forward(self, x):
        return self.pointwise(self.conv1(x))


class XceptionBlock(nn.Module):
    def __init__(self, cin, cout, reps, stride, start_with_relu=True, grow_first=True):
        super().__init__()
        if cout != cin or stride != 1:
            self.skip = nn.Conv2d(cin, cout, 1, stride=stride, bias=False)
            self.skipbn = nn.BatchNorm2d(cout)
        else:
            self.skip = None
        widths = [cin] + [cout] * reps if grow_first else [cin] * reps + [cout]
        rep = []
        for i in range(reps):
            rep += [nn.ReLU(inplace=False), SeparableConv2d(widths[i], widths[i + 1]),
                    nn.BatchNorm2d(widths[i + 1])]
        if not start_with_relu:
            rep = rep[1:]
        if stride != 1:
            rep.append(nn.MaxPool2d(3, stride, 1))
        self.rep = nn.Sequential(*rep)

    def forward(self, x):
        skip = x if self.skip is None else self.skipbn(self.skip(x))
        return self.rep(x) + skip


class Xception(nn.Module):
    def __init__(self, n_classes=2):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 32, 3, 2, 0, bias=False)
        self.bn1 = nn.BatchNorm2d(32)
        self.conv2 = nn.Conv2d(32, 64, 3, bias=False)
        self.bn2 = nn.BatchNorm2d(64)
        self.block1 = XceptionBlock(64, 128, 2, 2, start_with_relu=False)
        self.block2 = XceptionBlock(128, 256, 2, 2)
        self.block3 = XceptionBlock(256, 728, 2, 2)
        for i in range(4, 12):
            setattr(self, f'block{i}', XceptionBlock(728, 728, 3, 1))
        self.block12 = XceptionBlock(728, 1024, 2, 2, grow_first=False)
        self.conv3 = SeparableConv2d(1024, 1536)
        self.bn3 = nn.BatchNorm2d(1536)
        self.conv4 = SeparableConv2d(1536, 2048)
        self.bn4 = nn.BatchNorm2d(2048)
        self.last_linear = nn.Linear(2048, n_classes)

    def features(self, x):
        x = F.relu(self.bn1(self.conv1(x)))
        x = F.relu(self.bn2(self.conv2(x)))
        for i in range(1, 13):
            x = getattr(self, f'block{i}')(x)
        x = F.relu(self.bn3(self.conv3(x)))
        return self.bn4(self.conv4(x))

    def head(self, x):
        return self.last_linear(F.relu(x).mean((2, 3)))


# ---- EfficientNet-B0 (Tan and Le 2019; the naming of efficientnet_pytorch) ----------------------

class SameConv2d(nn.Conv2d):
    """TensorFlow's "same": the odd pixel of padding at the bottom and right."""

    def forward(self, x):
        pads = []
        for axis in (1, 0):  # F.pad wants the last axis first
            size, k, s = x.shape[2 + axis], self.kernel_size[axis], self.stride[axis]
            total = max((math.ceil(size / s) - 1) * s + k - size, 0)
            pads += [total // 2, total - total // 2]
        return F.conv2d(F.pad(x, pads), self.weight, self.bias, self.stride, 0, 1, self.groups)


def efficient_bn(channels):
    return nn.BatchNorm2d(channels, eps=1e-3, momentum=0.01)


class MBConv(nn.Module):
    def __init__(self, cin, cout, kernel, stride, expand, drop_connect):
        super().__init__()
        mid = cin * expand
        if expand != 1:
            self._expand_conv = SameConv2d(cin, mid, 1, bias=False)
            self._bn0 = efficient_bn(mid)
        self.expand = expand
        self._depthwise_conv = SameConv2d(mid, mid, kernel, stride, groups=mid, bias=False)
        self._bn1 = efficient_bn(mid)
        squeezed = max(1, int(cin * 0.25))
        self._se_reduce = SameConv2d(mid, squeezed, 1)
        self._se_expand = SameConv2d(squeezed, mid, 1)
        self._project_conv = SameConv2d(mid, cout, 1, bias=False)
        self._bn2 = efficient_bn(cout)
        self.skip = stride == 1 and cin == cout
        self.drop_connect = drop_connect

    def forward(self, x):
        y = x
        if self.expand != 1:
            y = F.silu(self._bn0(self._expand_conv(y)))
        y = F.silu(self._bn1(self._depthwise_conv(y)))
        s = F.adaptive_avg_pool2d(y, 1)
        s = self._se_expand(F.silu(self._se_reduce(s)))
        y = torch.sigmoid(s) * y
        y = self._bn2(self._project_conv(y))
        if not self.skip:
            return y
        if self.training and self.drop_connect:
            keep = 1 - self.drop_connect
            y = y / keep * torch.floor(keep + torch.rand(y.shape[0], 1, 1, 1))
        return y + x


class EfficientNetB0(nn.Module):
    GROUPS = [(1, 3, 1, 1, 16), (2, 3, 2, 6, 24), (2, 5, 2, 6, 40), (3, 3, 2, 6, 80),
              (3, 5, 1, 6, 112), (4, 5, 2, 6, 192), (1, 3, 1, 6, 320)]

    def __init__(self, n_classes=2, dropout=0.2, drop_connect=0.2):
        super().__init__()
        self._conv_stem = SameConv2d(3, 32, 3, 2, bias=False)
        self._bn0 = efficient_bn(32)
        blocks, cin = [], 32
        for repeats, kernel, stride, expand, cout in self.GROUPS:
            for i in range(repeats):
                blocks.append(MBConv(cin, cout, kernel, stride if i == 0 else 1, expand,
                                     drop_connect * len(blocks) / 16))
                cin = cout
        self._blocks = nn.ModuleList(blocks)
        self._conv_head = SameConv2d(320, 1280, 1, bias=False)
        self._bn1 = efficient_bn(1280)
        self._dropout = nn.Dropout(dropout)
        self._fc = nn.Linear(1280, n_classes)

    def features(self, x):
        x = F.silu(self._bn0(self._conv_stem(x)))
        for block in self._blocks:
            x = block(x)
        return self._bn1(self._conv_head(x))

    def head(self, x):
        return self._fc(self._dropout(F.silu(x).mean((2, 3))))


# ---- MesoNet (Afchar et al. 2018; Keras semantics) ----------------------------------------------

def keras_bn(channels):
    return nn.BatchNorm2d(channels, eps=1e-3, momentum=0.01)


def same_pool(x, size):
    """Keras MaxPooling2D(size, padding='same')."""
    pads = []
    for axis in (3, 2):
        total = -x.shape[axis] % size
        pads += [total // 2, total - total // 2]
    return F.max_pool2d(F.pad(x, pads, value=-math.inf), size)


class MesoBase(nn.Module):
    def make_tail(self):
        self.conv4 = nn.Conv2d(16, 16, 5, padding=2)
        self.bn3, self.bn4 = keras_bn(16), keras_bn(16)
        self.fc1, self.fc2 = nn.Linear(1024, 16), nn.Linear(16, 1)
        self.dropout = nn.Dropout(0.5)

    def tail(self, x):
        x = same_pool(self.bn3(F.relu(self.conv3(x))), 2)
        return same_pool(self.bn4(F.relu(self.conv4(x))), 4)

    def head(self, x):
        x = x.permute(0, 2, 3, 1).flatten(1)  # Keras flattens channels-last
        x = F.leaky_relu(self.fc1(self.dropout(x)), 0.1)
        return self.fc2(self.dropout(x))


class Meso4(MesoBase):
    def __init__(self, n_classes=2):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 8, 3, padding=1)
        self.conv2 = nn.Conv2d(8, 8, 5, padding=2)
        self.conv3 = nn.Conv2d(8, 16, 5, padding=2)
        self.bn1, self.bn2 = keras_bn(8), keras_bn(8)
        self.make_tail()

    def features(self, x):
        x = same_pool(self.bn1(F.relu(self.conv1(x))), 2)
        x = same_pool(self.bn2(F.relu(self.conv2(x))), 2)
        return self.tail(x)


class Inception(nn.Module):
    def __init__(self, cin, a, b, c, d):
        super().__init__()
        self.branch1 = nn.ModuleDict({'conv1': nn.Conv2d(cin, a, 1)})
        for i, (width, dilation) in enumerate(((b, 1), (c, 2), (d, 3))):
            setattr(self, f'branch{i + 2}', nn.ModuleDict({
                'conv1': nn.Conv2d(cin, width, 1),
                'conv2': nn.Conv2d(width, width, 3, padding=dilation, dilation=dilation)}))

    def forward(self, x):
        outputs = [F.relu(self.branch1['conv1'](x))]
        for branch in (self.branch2, self.branch3, self.branch4):
            outputs.append(F.relu(branch['conv2'](F.relu(branch['conv1'](x)))))
        return torch.cat(outputs, 1)


class MesoInception4(MesoBase):
    def __init__(self, n_classes=2):
        super().__init__()
        self.inception1 = Inception(3, 1, 4, 4, 2)
        self.inception2 = Inception(11, 2, 4, 4, 2)
        self.conv3 = nn.Conv2d(12, 16, 5, padding=2)
        self.bn1, self.bn2 = keras_bn(11), keras_bn(12)
        self.make_tail()

    def features(self, x):
        x = same_pool(self.bn1(self.inception1(x)), 2)
        x = same_pool(self.bn2(self.inception2(x)), 2)
        return self.tail(x)


# ---- The compact network of this project --------------------------------------------------------

class CompactUnit(nn.Module):
    def __init__(self, cin, cout, stride):
        super().__init__()
        self.depthwise = nn.Conv2d(cin, cin, 3, stride, 1, groups=cin, bias=False)
        self.pointwise = nn.Conv2d(cin, cout, 1, bias=False)
        self.bn = nn.BatchNorm2d(cout)

    def forward(self, x):
        return self.bn(self.pointwise(self.depthwise(x)))


class Compact(nn.Module):
    def __init__(self, n_classes=2, dropout=0.1):
        super().__init__()
        self.stem = nn.Conv2d(3, 16, 3, 2, 1, bias=False)
        self.stem_bn = nn.BatchNorm2d(16)
        cin = 16
        for i, (cout, stride, residual) in enumerate(
                ((32, 1, 0), (64, 2, 1), (128, 2, 2), (256, 2, 2))):
            units = [CompactUnit(cin, cout, stride)]
            units += [CompactUnit(cout, cout, 1) for _ in range(residual)]
            setattr(self, f'stage{i + 1}', nn.ModuleList(units))
            cin = cout
        self._modules['head'] = nn.Conv2d(256, 320, 1, bias=False)  # `head` is the method below
        self.head_bn = nn.BatchNorm2d(320)
        self.dropout = nn.Dropout(dropout)
        self.classifier = nn.Linear(320, n_classes)

    def features(self, x):
        x = F.relu(self.stem_bn(self.stem(x)))
        for i in range(1, 5):
            units = getattr(self, f'stage{i}')
            x = F.relu(units[0](x))
            for unit in units[1:]:
                x = F.relu(unit(x) + x)
        return self.head_bn(self._modules['head'](x))

    def head(self, x):
        return self.classifier(self.dropout(F.relu(x).mean((2, 3))))


# ---- All of them --------------------------------------------------------------------------------

NETWORKS = {'xception': Xception, 'efficientnet-b0': EfficientNetB0, 'meso4': Meso4,
            'mesoinception4': MesoInception4, 'cored-compact': Compact}


def logits_of(model, features):
    """Class scores; a network with one sigmoid output z scores (0, z)."""
    z = model.head(features)
    return torch.cat((torch.zeros_like(z), z), 1) if z.shape[1] == 1 else z


def tensors_of(model):
    """Every tensor by its published name."""
    return {k: v for k, v in model.state_dict().items() if not k.endswith('num_batches_tracked')}


def without_dropout(model):
    """Switch off what is random in training."""
    for module in model.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
        if isinstance(module, MBConv):
            module.drop_connect = 0.0
    return model


def make(name, seed, n_classes=2, size=None):
    """The network with random weights in evaluation mode. Batch norm gets statistics that differ
    from the neutral ones and keep activations in range: those of a random batch, disturbed."""
    torch.manual_seed(seed)
    model = NETWORKS[name](n_classes)
    norms = [m for m in model.modules() if isinstance(m, nn.BatchNorm2d)]
    for norm in norms:
        nn.init.uniform_(norm.weight, 0.7, 1.3)
        nn.init.normal_(norm.bias, 0, 0.2)
        norm.saved, norm.momentum = norm.momentum, 1.0
    model.train()
    with torch.no_grad():
        model.features(torch.randn(4, 3, size or 96, size or 96))
        for norm in norms:
            norm.momentum = norm.saved
            norm.running_mean += 0.1 * norm.running_var.sqrt() * torch.randn_like(norm.running_mean)
            norm.running_var *= torch.empty_like(norm.running_var).uniform_(0.7, 1.4)
    return model.eval()
